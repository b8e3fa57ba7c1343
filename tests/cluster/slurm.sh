#!/bin/bash
# Preprocessing and training on a real SLURM of one node, which this script starts and tears down.
#
#     sudo tests/cluster/slurm.sh        (Debian: apt-get install slurm-wlm munge)
#
# 1. `shapegan preprocess --cluster slurm` in docker/slurm/preprocess.sbatch: the shards have the
#    bytes of a run on this machine alone.
# 2. docker/slurm/train.sbatch is requeued in mid-run: the losses are those of an undisturbed run.
#
# Everything runs in namespaces of its own (processes and network), so nothing outlives it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
if [ "${1:-}" != inside ]; then
    work=$(mktemp -d -t shapegan-slurm.XXXXXX)
    trap 'rm -rf "$work"' EXIT
    unshare --net --pid --fork --kill-child --mount-proc "$0" inside "$work"
    exit
fi
. "$here/steps.sh"

work=$2
export PYTHONPATH=$root/.types # this very tree
export PATH="$root/.venv/bin:/usr/sbin:/sbin:$PATH" OMP_NUM_THREADS=1
tell_logs() {
    if [ "$?" != 0 ]; then tail -n 30 "$work"/*.log || true; fi
}
trap tell_logs EXIT
chmod 755 "$work" # munged wants its socket to be within everybody's reach
cd "$work"

# --- a SLURM of one node -----------------------------------------------------------------------

start_slurm() {
    ip link set lo up
    ip link add node0 type bridge # SLURM resolves no names where there is nothing but loopback
    ip address add 10.88.0.1/24 dev node0
    ip link set node0 up
    ip route add default dev node0
    local node
    node=$(hostname -s)
    mkdir -p state spool
    dd if=/dev/urandom of=munge.key bs=1024 count=1 status=none
    chmod 600 munge.key
    cat >slurm.conf <<CONF
ClusterName=proof
SlurmctldHost=$node(10.88.0.1)
SlurmUser=root
AuthInfo=socket=$work/munge.socket
MpiDefault=none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=300
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
NodeName=$node NodeAddr=10.88.0.1 CPUs=8 RealMemory=64000 State=UNKNOWN
PartitionName=all Nodes=$node Default=YES MaxTime=INFINITE State=UP
CONF
    export SLURM_CONF="$work/slurm.conf"
    munged --foreground --force --key-file=munge.key --socket="$work/munge.socket" \
        --pid-file="$work/munged.pid" --log-file="$work/munged.log" --seed-file="$work/munge.seed" \
        >/dev/null 2>&1 &
    wait_for "munged" test -S munge.socket
    slurmctld -D >/dev/null 2>&1 &
    slurmd -D >/dev/null 2>&1 &
    wait_for "a node that takes jobs" node_is_idle
    sinfo
}
node_is_idle() { [ "$(sinfo --noheader --format=%t)" = idle ]; }
ended() { [ "$(squeue --noheader --states=all --jobs="$1" --format=%T)" = COMPLETED ]; }

# --- the proof ---------------------------------------------------------------------------------

step "a SLURM of one node: $(slurmctld -V), proctrack/pgid, task/none"
start_slurm

step "preprocess: the driver is a job, and asks for two more"
shapegan samples chairs --count 8 --out meshes
flags=(--points 1024 --resolutions 8,64 --shard-size 4)
shapegan preprocess meshes --out alone --workers 1 "${flags[@]}"
export DASK_JOBQUEUE__SLURM__INTERFACE=node0 DASK_JOBQUEUE__SLURM__WALLTIME=01:00:00
job=$(sbatch --parsable --mem=1G --output=preprocess.log "$root/docker/slurm/preprocess.sbatch" \
    meshes --out dataset --workers 2 --mesh-memory 2 "${flags[@]}")
wait_for "workers' jobs" eval 'squeue --noheader --name=dask-worker | grep -q .'
squeue --format="%.8i %.20j %.9T %.4C %.10m"
wait_for "the end of job $job" ended "$job"
cat preprocess.log
same "shards of a run on SLURM and of one on this machine" "$(shards alone)" "$(shards dataset)"

step "train: undisturbed, without SLURM"
options=(--data dataset --preset demo --stages 8 --batch-size 2 --steps 80 --preview-shapes 0 --device cpu)
shapegan train "${options[@]}" --run undisturbed

step "train: requeued in mid-run"
job=$(sbatch --parsable --mem=1G --cpus-per-task=1 --output=train.log \
    "$root/docker/slurm/train.sbatch" "${options[@]}" --run requeued)
wait_for "the run's first row" rows requeued 1
scontrol requeue "$job"
wait_for "the training to save" grep -q "the same command resumes" train.log
wait_for "the end of job $job" ended "$job"
cat train.log
scontrol show job "$job" | grep -o 'Restarts=[0-9]*'
grep -q "resuming after step" train.log || fail "the run did not go on"
same "losses of a requeued run and of an undisturbed one, $(wc -l <undisturbed/metrics.csv) lines" \
    "$(losses undisturbed)" "$(losses requeued)"

step "all is well"
