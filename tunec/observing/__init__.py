"""What data files show by themselves, before anybody is asked: fields, answers, languages, lengths, doubles.

`coach` asks only what this cannot tell, `advise` weighs it. All of it is counted, none of it is built from.
"""

from tunec.observing.columns import Told
from tunec.observing.observed import Observed, observe

__all__ = ["Observed", "Told", "observe"]
