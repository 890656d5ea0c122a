"""`python -m weir_install.package FOLDER` puts the chart there as it is published."""

import sys

from weir_install.helm import CHART, helm

if __name__ == "__main__":
    made = helm("package", str(CHART), "--destination", sys.argv[1])
    sys.exit(made.stderr if made.returncode else 0)
