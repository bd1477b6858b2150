"""`python -m sampan`: the same as the `sampan` script."""

import sys

from sampan.cli.main import main

sys.exit(main())
