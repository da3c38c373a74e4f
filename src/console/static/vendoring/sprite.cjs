// Icons as symbols of one SVG file: <use href="icons.svg#home">.
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const names = readFileSync(process.argv[2], "utf8").trim().split(/\s+/);
const symbols = names.map((name) => {
  const svg = readFileSync(join("node_modules", "@tabler", "icons", "icons", "outline", `${name}.svg`), "utf8");
  const paths = svg.match(/<(path|circle|rect|line|polyline)[^>]*\/>/g).join("");
  return `<symbol id="${name}" viewBox="0 0 24 24">${paths}</symbol>`;
});
process.stdout.write(`<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("\n")}\n</svg>\n`);
