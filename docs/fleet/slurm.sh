#!/bin/bash
# One run of the suite as four shards, one Neuron node each: sbatch slurm.sh
# Change: the partition, the instance type, the kernel, and the number of shards in `--array` and `shards`. The shard is
# named and not left to the array, so that one shard alone can be run again: sbatch --array=3 slurm.sh
#SBATCH --job-name=nki-conformance
#SBATCH --partition=trn1
#SBATCH --array=1-4
#SBATCH --nodes=1
#SBATCH --exclusive
#SBATCH --time=01:00:00
#SBATCH --requeue
set -uo pipefail
shards=4

. /opt/aws_neuronx_venv/bin/activate
report="shard-${SLURM_ARRAY_TASK_ID}.jsonl"
resume=()
[ -s "$report" ] && resume=("--nki-resume=$report")
python -m pytest --pyargs pytest_nki_pool.conformance -n auto "${resume[@]}" \
  --nki-shard="${SLURM_ARRAY_TASK_ID}/${shards}" \
  --nki-target=device --nki-require-device --nki-expect-instance=trn1.32xlarge \
  --nki-timeout=300 --nki-kernel=pool.py:avgpool --nki-report="$report"
code=$?

# 75: the machine, and not the kernel, stood in the way. Slurm counts how often a job came back.
if [ "$code" -eq 75 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 1 ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$code"
