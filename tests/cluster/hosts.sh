#!/bin/bash
# Preprocessing and training over several hosts, whose network breaks.
#
#     sudo tests/cluster/hosts.sh        (Debian: apt-get install iproute2)
#
# Three hosts are network namespaces on one bridge, and share a directory: `head` has the Dask
# scheduler and runs the commands, `one` and `two` have a Dask worker each.
#
# 1. The link of `one` goes down in mid-run, and comes up again.
# 2. The scheduler is killed and started again; the same command resumes.
#    The shards have the bytes of an undisturbed run, and each was written once.
# 3. torchrun on `one` and `two`: the losses are those of one process.
#
# All traffic stays within namespaces that end with this script, as do all its processes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
if [ "${1:-}" != inside ]; then
    work=$(mktemp -d -t shapegan-hosts.XXXXXX)
    trap 'rm -rf "$work"' EXIT
    unshare --net --mount --pid --fork --kill-child --mount-proc "$0" inside "$work"
    exit
fi
. "$here/steps.sh"

work=$2
export PATH="$root/.venv/bin:/usr/sbin:/sbin:$PATH" OMP_NUM_THREADS=1
# A host that is silent for so long is given up. Dask's own values, 30 s and 5 min, are for
# networks that one should have more patience with.
export DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP=15s DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL=30s
tell_logs() {
    if [ "$?" != 0 ]; then tail -n 60 "$work"/*.log || true; fi
}
trap tell_logs EXIT
cd "$work"
export GATE=$work/gate PYTHONPATH=$root/.types:$root/tests:$here # this very tree, and gate.py
gated=(python -m support.preprocess_with gate:process preprocess)

# --- three hosts on a bridge -------------------------------------------------------------------

make_hosts() {
    mkdir -p /run/netns
    mount -t tmpfs namespaces /run/netns
    ip link set lo up
    ip link add lan type bridge
    ip link set lan up
    local number=0 name
    for name in head one two; do
        number=$((number + 1))
        ip netns add "$name"
        ip link add "$name-port" type veth peer name eth0 netns "$name"
        ip link set "$name-port" master lan up
        ip -n "$name" link set lo up
        ip -n "$name" address add "10.88.0.$number/24" dev eth0
        ip -n "$name" link set eth0 up
        ip -n "$name" route add default dev eth0
    done
}
on() { ip netns exec "$@"; }

start_scheduler() {
    ip netns exec head dask scheduler --host 10.88.0.1 --port 8786 --no-dashboard >>scheduler.log 2>&1 &
    scheduler=$!
    wait_for "the scheduler" on head bash -c '</dev/tcp/10.88.0.1/8786'
}
# A worker that loses its scheduler ends; whoever runs it (systemd, say) starts it again.
keep_worker() {
    while sleep 1; do
        on "$1" dask worker tcp://10.88.0.1:8786 --name "$1" --nworkers 1 --nthreads 1 \
            --no-dashboard --death-timeout 60 >>"worker-$1.log" 2>&1 || true
    done
}
# Each file of a shard that ever was, by name and inode: one that is written again has two.
note_shards() { stat --format='%n %i' dataset/shards/*.h5 >>seen 2>/dev/null || true; }
watch_shards() {
    while sleep 0.2; do note_shards; done
}
says() { grep -q "$1" preprocess.log; }
preprocess() {
    on head "${gated[@]}" meshes --out dataset --scheduler tcp://10.88.0.1:8786 \
        "${flags[@]}" >>preprocess.log 2>&1
}
done_meshes() { [ "$(find dataset/staging dataset/shards -name '*.h5' ! -name '.*' | wc -l)" -ge "$1" ]; }

# --- preprocessing -----------------------------------------------------------------------------

step "three hosts: head 10.88.0.1, one 10.88.0.2, two 10.88.0.3"
make_hosts
shapegan samples chairs --count 10 --out meshes
flags=(--points 1024 --resolutions 8,64 --shard-size 3)

step "an undisturbed run"
on head "${gated[@]}" meshes --out alone --workers 1 "${flags[@]}"

step "a run on two hosts"
start_scheduler
keep_worker one &
keep_worker two &
wait_for "both workers" eval '[ "$(grep -c "Register worker" scheduler.log)" -ge 2 ]'
watch_shards &
preprocess &
driver=$!
wait_for "two meshes" done_meshes 2
touch gate # the others wait
done_meshes 10 && fail "there is nothing left to disturb"

step "the link of host one goes down"
ip link set one-port down
wait_for "word of it" says "is lost"

step "the link of host one comes up"
ip link set one-port up
wait_for "its return" says "has joined"

step "the scheduler is killed"
kill -0 "$driver" || fail "the run was over before"
kill -KILL "$scheduler"
if wait "$driver"; then fail "the command ended as if all was well"; else status=$?; fi
cat preprocess.log
[ "$status" = 2 ] || fail "exit code $status in place of 2"
same "lines of errors, and one" 1 "$(grep -c '^Error: ' preprocess.log)"

step "the scheduler is started again, and the same command resumes"
start_scheduler
rm gate
: >preprocess.log
preprocess || fail "the same command did not resume: $(cat preprocess.log)"
cat preprocess.log
same "shards of a disturbed run and of an undisturbed one" "$(shards alone)" "$(shards dataset)"
same "rows of meshes.csv and meshes" 10 "$(tail -n +2 dataset/meshes.csv | cut -d, -f1 | sort -u | wc -l)"
note_shards # the last one may be younger than the watch's last look
same "shards and the files that they ever were" "$(find dataset/shards -name '*.h5' | wc -l)" \
    "$(sort -u seen | wc -l)"

# --- training ----------------------------------------------------------------------------------

options=(--data dataset --preset demo --stages 8 --batch-size 4 --steps 20 --preview-shapes 0 --device cpu)
step "training in one process"
on head shapegan train "${options[@]}" --run single

step "training by torchrun on hosts one and two"
for rank in 0 1; do
    name=$([ "$rank" = 0 ] && echo one || echo two)
    GLOO_SOCKET_IFNAME=eth0 on "$name" torchrun --nnodes 2 --node-rank "$rank" \
        --master-addr 10.88.0.2 --master-port 29500 --nproc-per-node 1 -m -- shapegan.cli \
        train "${options[@]}" --run both >"train-$name.log" 2>&1 &
    nodes[rank]=$!
done
for rank in 0 1; do wait "${nodes[rank]}" || fail "torchrun ended with $?"; done
cat train-one.log
"$root/.venv/bin/python" "$here/compare.py" single/metrics.csv both/metrics.csv

step "all is well"
