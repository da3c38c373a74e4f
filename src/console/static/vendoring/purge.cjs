// Tabler's stylesheet without the rules that no template uses.
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { PurgeCSS } = require("purgecss");

const [folder] = process.argv.slice(2);
const css = join("node_modules", "@tabler", "core", "dist", "css", "tabler.min.css");
// Words of class attributes, and names of elements.
const words = (content) =>
  [...content.matchAll(/class="([^"]*)"|<([a-z][a-z0-9]*)/g)].flatMap(([, classes, element]) =>
    element ? [element] : classes.match(/[\w-]+/g) ?? [],
  );

new PurgeCSS()
  .purge({
    content: [join(folder, "..", "templates", "*.html"), join(folder, "..", "*.py")],
    css: [{ raw: readFileSync(css, "utf8").replace(/\/\*# sourceMappingURL.*?\*\//s, "") }],
    defaultExtractor: words,
    variables: true,
    keyframes: true,
    fontFace: true,
  })
  .then(([purged]) => process.stdout.write(`${purged.css.trim()}\n`));
