#!/bin/sh
# Cargo's runner of the emulated boards: emulate.sh BOARD ELF [ARGUMENTS]
#
# The nested cargo must build for the host, so it starts in the repository's
# root: there, no board's .cargo/config.toml sets another target.
set -eu
board=$1
elf=$(realpath -- "$2")
shift 2
cd "$(dirname -- "$(realpath -- "$0")")/.."
exec cargo run --quiet --release --package pg-host --no-default-features -- \
    emulate --board "$board" --elf "$elf" "$@"
