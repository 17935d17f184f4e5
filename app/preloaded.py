"""What the workers of one machine share: imported once, in the process that they are forked from.

The garbage collector leaves all of it alone, for whatever it looks at becomes a worker's own copy.
"""

import gc

gc.disable()  # a worker enables it when it has built its application

import app.main  # noqa: E402, F401
from app.features import load_features  # noqa: E402

load_features()
gc.freeze()
