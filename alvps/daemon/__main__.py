"""`python -m alvps.daemon`."""

from alvps.daemon.pin import pin_release

pin_release()

import sys  # noqa: E402 - the release is pinned before anything else is imported

from alvps.daemon.main import main  # noqa: E402 - as above

sys.exit(main(sys.argv[1:]))
