"""Charts as inline SVG: elements, histograms, curves. Colours and widths are the style sheet's."""
