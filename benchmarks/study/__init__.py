"""The study: how well do gradient metrics tell what a network was not trained on?

``python -m benchmarks.study`` trains small networks on real images, scores known and unknown ones,
and writes docs/study.md. The way of the data, a file a step:

packages -> images -> problems -> training -> scoring, peers -> record -> scores -> measures
-> selection, agreement, claims -> figure, page
"""
