#!/bin/sh
# The whole recipe at toy size, as `make train-smoke` and the tests run it: data, three training stages,
# evaluation, and one galaxy predicted by a service with the version just trained.
#
#   train_smoke.sh FOLDER    everything is written there; from the environment: BIN (folder of `fiberless`),
#                            GALAXIES, HELD_OUT, CONTRASTIVE_STEPS, DENOISER_STEPS, MLP_STEPS
set -eu

folder=$1
fiberless=${BIN:-.venv/bin}/fiberless

# Steps this small are not worth a second thread, and other work on the machine would hold it up.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

stage() { # NAME STEPS BATCH_SIZE CHECKPOINT_STEPS
    cat <<TOML

[$1]
steps = $2
batch_size = $3
warmup_steps = 20
ema_decay = 0.98
checkpoint_steps = $4
log_steps = 10
TOML
}

mkdir -p "$folder"
cat > "$folder/smoke.toml" <<TOML
basis_rows = 2000
encoder_width = 128
denoiser_width = 256
denoiser_depth = 4
feature_views = 1
TOML
stage contrastive "${CONTRASTIVE_STEPS:-150}" 128 50 >> "$folder/smoke.toml"
stage denoiser "${DENOISER_STEPS:-300}" 256 100 >> "$folder/smoke.toml"

train() {
    "$fiberless" train "$folder/train" --run "$folder/run" --config "$folder/smoke.toml" "$@"
}

"$fiberless" data mock --n "${GALAXIES:-3000}" --seed 1 --out "$folder/train"
"$fiberless" data mock --n "${HELD_OUT:-300}" --seed 3 --out "$folder/test"
train --until prepare
train --until contrastive
train --out "$folder/store/smoke"
"$fiberless" evaluate --model smoke --store "$folder/store" --data "$folder/test" --train "$folder/train" \
    --candidates 20 --measured 10 --mlp-steps "${MLP_STEPS:-600}" --report "$folder/report"
"$fiberless" data cutout "$folder/test" --row 0 --out "$folder/galaxy.fits"
FIBERLESS_MODEL_STORE="$folder/store" "$fiberless" demo "$folder/galaxy.fits" --out "$folder/out"
