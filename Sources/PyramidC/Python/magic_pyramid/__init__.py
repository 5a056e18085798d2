"""Text classification with early exits and token pruning, on CPUs.

    from magic_pyramid import Classifier
    classifier = Classifier("model.mpc")
    classifier.predict(["The Bora River is a tributary of the Lotru River."])[0]["label"]

A classifier may be used from several threads at once; their texts are computed together.
"""

from ._classifier import Classifier, MagicPyramidError, Numbers, version

__all__ = ["Classifier", "MagicPyramidError", "Numbers", "version"]
__version__ = version()
