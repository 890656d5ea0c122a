# The commands that people and scripts rely on. Each does its own set-up; the work is in xtask/.

.DEFAULT_GOAL := help
.PHONY: help run test bench lint gen release screenshots clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Everything on this machine, in the foreground; Ctrl-C ends it
	@cargo xtask run

test: ## Every test; the exit code tells
	@cargo xtask test

bench: ## Performance, as tables: the gateway, the ledger, policy changes
	@cargo xtask bench

lint: ## Formatting, clippy, generated files
	@cargo xtask lint

gen: ## Writes the generated files
	@cargo xtask gen

release: ## What is published of a version, into target/dist
	@cargo xtask release

screenshots: ## Pictures of every page of the console, into docs/screenshots
	@cargo xtask screenshots

clean: ## Removes the data of `make run`
	@cargo xtask clean-state
