# Every recipe is one command that can be run by hand.
.PHONY: setup try test check golden soak bench clean

setup: ; tools/setup test  # make .venv with everything the checks need
try: ; tools/try  # one container on an engine of its own, explained
test: ; tools/test  # ruff, mypy and every test but the soak
check: ; .venv/bin/ruff check src tests tools bench && .venv/bin/mypy && .venv/bin/python -m pytest tests/unit -q  # seconds, no root
golden: ; .venv/bin/python -m pytest tests --update-golden -q -k golden  # rewrite the golden files; read the diff
soak: ; .venv/bin/python -m pytest tests -m soak -q  # the long tests
bench: ; .venv/bin/python bench/clients.py $(A) $(B)  # make bench A=SOCKET B=SOCKET: ratios of two engines
clean: ; rm -rf build dist .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis  # what the checks leave behind; .venv stays
