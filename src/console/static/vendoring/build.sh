#!/usr/bin/env bash
# Makes the vendored files of the folder above again, in a scratch folder; needs Node 20 or newer.
#   src/console/static/vendoring/build.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
static=$(dirname "$here")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
npm init --yes > /dev/null
npm install --no-audit --no-fund --save-exact @tabler/core@1.6.1 @tabler/icons@3.52.0 \
  @fontsource-variable/inter@5.3.0 echarts@6.1.0 esbuild@0.28.2 purgecss@8.0.0 > /dev/null
from=node_modules

# Apache ECharts: only what charts.js names.
cp "$here/charts.js" .
$from/.bin/esbuild charts.js --bundle --minify --format=iife --target=es2022 --legal-comments=none \
  --log-level=warning --outfile="$static/echarts.js"
cat $from/echarts/NOTICE $from/echarts/LICENSE $from/echarts/licenses/LICENSE-d3 $from/zrender/LICENSE \
  $from/tslib/LICENSE.txt > "$static/echarts.LICENSE"

# Tabler: only the rules whose classes stand in the templates.
cp "$here/purge.cjs" .
node purge.cjs "$static" > "$static/tabler.css"
# The package has no licence file of its own: the head of its stylesheet, and the text of MIT.
{
  grep '^ \* ' $from/@tabler/core/dist/css/tabler.css | head -4 | cut -c4-
  tail -n +4 $from/@tabler/icons/LICENSE
} > "$static/tabler.LICENSE"

# Tabler's icons: those that icons.txt names, as one file of symbols.
cp "$here/sprite.cjs" .
node sprite.cjs "$here/icons.txt" > "$static/icons.svg"
cp $from/@tabler/icons/LICENSE "$static/icons.LICENSE"

cp $from/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2 "$static/inter.woff2"
cp $from/@fontsource-variable/inter/LICENSE "$static/inter.LICENSE"

cd "$static"
sha256sum echarts.js tabler.css icons.svg inter.woff2 ./*.LICENSE
