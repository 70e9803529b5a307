#!/usr/bin/env bash
# Run the upstream huggingface_hub tests (from the PyPI sdist) against a Hub-compatible server.
#
#   run_hf_suite.sh --base-url http://127.0.0.1:8080 [--profile bar|p0|p1|p2|buckets|lfs|production|all-staging] [pytest args...]
#
# Users, either given:
#   HFSUITE_USER=... HFSUITE_TOKEN=... HFSUITE_OTHER_USER=... HFSUITE_OTHER_TOKEN=...   (HFSUITE_FULLNAME, HFSUITE_ENTERPRISE_*)
# or made: --provision CMD, a command that prints NAME=VALUE lines for the names above; it is run as
#   CMD BASE_URL ADMIN_TOKEN   (--admin-token TOKEN or HFSUITE_ADMIN_TOKEN)
#
# Last line printed: "N passed, M failed, K skipped".  Exit status: 0 when nothing failed, 1 when something did,
# 2 for a usage or set-up fault.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
WORK=${HFSUITE_WORK:-${TMPDIR:-/var/tmp}/haina-hf-suite}
VERSION=${HFSUITE_VERSION:-2.4.0}
PYTHON=${HFSUITE_PYTHON:-python3}
BASE_URL=${HFSUITE_BASE_URL:-}
PROFILE=bar
PROVISION=${HFSUITE_PROVISION:-}
ADMIN_TOKEN=${HFSUITE_ADMIN_TOKEN:-}
COLLECT=0
EXTRA=()
while [ $# -gt 0 ]; do
  case "$1" in
    --base-url) BASE_URL=$2; shift 2;;
    --profile) PROFILE=$2; shift 2;;
    --provision) PROVISION=$2; shift 2;;
    --admin-token) ADMIN_TOKEN=$2; shift 2;;
    --collect-only) COLLECT=1; shift;;
    --) shift; EXTRA+=("$@"); break;;
    *) EXTRA+=("$1"); shift;;
  esac
done
[ -n "$BASE_URL" ] || { echo "--base-url is missing" >&2; exit 2; }
BASE_URL=${BASE_URL%/}

# 1. the test tree: upstream sdist + our conftest (nothing upstream is edited)
if [ ! -f "$WORK/$VERSION/tests/testing_constants.py" ]; then
  mkdir -p "$WORK/dl" "$WORK/$VERSION"
  "$PYTHON" -m pip download -q --no-deps --no-binary huggingface_hub -d "$WORK/dl" "huggingface_hub==$VERSION" || exit 2
  tar xzf "$WORK/dl/huggingface_hub-$VERSION.tar.gz" -C "$WORK/$VERSION" --strip-components=1
fi
TREE=$WORK/$VERSION
rm -rf "$TREE/src"                    # the installed wheel is what is tested
rm -f "$TREE/pyproject.toml" "$TREE/tests/test_generate_cli_reference.py"   # needs a script the sdist does not ship
cp "$HERE/suite_conftest.py" "$TREE/tests/conftest.py"
: > "$TREE/tests/__init__.py"
mkdir -p "$TREE/tests/fixtures/cards" "$TREE/tests/cassettes"
[ -d "${HFSUITE_FIXTURES:-$HERE/fixtures}" ] && cp -r "${HFSUITE_FIXTURES:-$HERE/fixtures}/." "$TREE/tests/fixtures/"
cat > "$TREE/pytest.ini" <<'INI'
[pytest]
addopts = -Werror::FutureWarning --strict-markers -q --tb=line -p no:cacheprovider
markers =
    api: suite marker
    transfer: suite marker
    inference: suite marker
    xet: needs hf_xet
    no_xet: must run without hf_xet
    production: runs against the production Hub
    deprecated: expects a FutureWarning
    git_lfs: needs git-lfs
INI

# 2. users
if [ -n "$PROVISION" ]; then
  OUT=$($PROVISION "$BASE_URL" "$ADMIN_TOKEN") || { echo "provisioning failed" >&2; exit 2; }
  while IFS='=' read -r k v; do case "$k" in HFSUITE_*) export "$k=$v";; esac; done <<< "$OUT"
fi
export HFSUITE_BASE_URL=$BASE_URL
if [ "$COLLECT" = 0 ]; then
  for v in USER TOKEN OTHER_USER OTHER_TOKEN; do n=HFSUITE_$v; [ -n "${!n:-}" ] || { echo "$n is not set (give users or --provision)" >&2; exit 2; }; done
fi

[ "$COLLECT" = 1 ] || [ -n "${HFSUITE_FULLNAME:-}" ] || echo "note: HFSUITE_FULLNAME is not set; the main user's full name must then be 'Dummy User'" >&2

# 3. what to run
export HFSUITE_DESELECT=${HFSUITE_DESELECT:-$HERE/lists/deselect.txt}
case "$PROFILE" in
  bar)         export HFSUITE_SELECT=$HERE/lists/bar.txt;;
  p0|p1|p2)    export HFSUITE_SELECT=$HERE/lists/bar_$PROFILE.txt;;
  buckets)     export HFSUITE_SELECT=$HERE/lists/bar_buckets.txt;;
  all-staging) export HFSUITE_SELECT=$HERE/lists/staging.txt; export HFSUITE_DESELECT=;;
  production)  export HFSUITE_SELECT=$HERE/lists/production.txt;;
  lfs)         export HFSUITE_SELECT=$HERE/lists/transfer.txt; export HF_HUB_DISABLE_XET=1;;
  *) echo "unknown profile $PROFILE" >&2; exit 2;;
esac
export HFSUITE_REPORT=${HFSUITE_REPORT:-$WORK/report-$PROFILE.json}

# 4. run, with nothing of the caller's Hub configuration leaking in
cd "$TREE"
unset HUGGINGFACE_CO_STAGING HF_TOKEN HUGGING_FACE_HUB_TOKEN HF_HUB_OFFLINE TRANSFORMERS_OFFLINE HF_OIDC_RESOURCE || true
export HF_ENDPOINT=$BASE_URL HF_HOME=${HFSUITE_HOME:-$WORK/home} HF_HUB_DISABLE_TELEMETRY=1 HF_HUB_DISABLE_UPDATE_CHECK=1
export HF_HUB_DISABLE_PROGRESS_BARS=1 PYTHONPATH=$HERE NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
mkdir -p "$HF_HOME"
TMO=(); "$PYTHON" -c 'import pytest_timeout' 2>/dev/null && TMO=(--timeout "${HFSUITE_TIMEOUT:-180}")
if [ "$COLLECT" = 1 ]; then
  exec "$PYTHON" -m pytest -p hfsuite_plugin --collect-only -q tests "${EXTRA[@]}"
fi
set +e
"$PYTHON" -m pytest -p hfsuite_plugin "${TMO[@]}" tests "${EXTRA[@]}" 2>&1 | tee "$WORK/log-$PROFILE.txt"
rc=${PIPESTATUS[0]}
line=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$WORK/log-$PROFILE.txt" | tail -1)
if [ -z "$line" ]; then echo "0 passed, 0 failed, 0 skipped"; echo "the suite did not run (pytest exit $rc)" >&2; exit 2; fi
echo "$line"
[ "$rc" = 0 ] && exit 0
[ "$rc" = 1 ] && exit 1
exit 2
