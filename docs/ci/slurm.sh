#!/bin/bash
# One run of the suite on one Neuron node of a cluster: sbatch slurm.sh
# Change: the partition, the instance type and the kernel.
#SBATCH --job-name=nki-conformance
#SBATCH --partition=trn1
#SBATCH --nodes=1
#SBATCH --exclusive
#SBATCH --time=01:00:00
#SBATCH --requeue
set -uo pipefail

. /opt/aws_neuronx_venv/bin/activate
python -m pytest --pyargs pytest_nki_pool.conformance -n auto \
  --nki-target=device --nki-require-device --nki-expect-instance=trn1.32xlarge \
  --nki-timeout=300 --nki-kernel=pool.py:avgpool \
  --nki-report="report-${SLURM_JOB_ID:-0}.jsonl" --nki-artifacts=failures
code=$?

# 75: the machine, and not the kernel, stood in the way. Slurm counts how often a job came back.
if [ "$code" -eq 75 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 1 ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
