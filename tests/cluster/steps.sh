# What the proofs share: steps that are told, conditions that are waited for, checks that end it.
# To be sourced; it needs the command `shapegan` on the PATH.

PATIENCE=${PATIENCE:-300} # seconds that any one condition may take, on a busy machine too

step() { printf '\n== %s\n' "$*"; }

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# wait_for WHAT COMMAND...: until the command succeeds.
wait_for() {
    local what=$1 deadline=$((SECONDS + PATIENCE))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || fail "waited $PATIENCE s in vain for: $what"
        sleep 0.1
    done
}

# shards DATASET: the SHA-256 of each, by name.
shards() { (cd "$1/shards" && sha256sum ./*.h5); }

# same WHAT EXPECTED FOUND: two texts that have to be equal.
same() {
    [ "$2" = "$3" ] || fail "$1 differ: $(diff <(printf '%s' "$2") <(printf '%s' "$3"))"
    printf 'the same: %s\n' "$1"
}

# losses RUN: metrics.csv without the columns that hold times.
losses() { cut -d, -f1-3,7- "$1/metrics.csv"; }

# rows RUN NUMBER: whether metrics.csv has so many rows.
rows() { [ "$(wc -l <"$1/metrics.csv")" -gt "$2" ]; }

# staged DATASET NUMBER: whether so many meshes are done, in shards or waiting for theirs.
staged() { [ "$(find "$1/staging" -name '*.json' ! -name '.*' | wc -l)" -ge "$2" ]; }
