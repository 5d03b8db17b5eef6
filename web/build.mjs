// Bundles src/app.tsx and src/app.css with esbuild; copies the page and the icon. Pages that few people open
// (src/late.tsx) are a file of their own, and what both need is a third. Output depends on the sources and the
// lock file only. index.html comes last: it says that all is there.
import { build } from "esbuild";
import { copyFileSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";

const out = process.argv[2] ?? "dist";
const common = { bundle: true, minify: true, target: ["es2020"], charset: "utf8", legalComments: "none", outdir: out };
const { metafile } = await build({ ...common, entryPoints: { app: "src/app.tsx" }, format: "esm", splitting: true, chunkNames: "[name]-[hash]",
  jsx: "automatic", jsxImportSource: "preact", metafile: true });
await build({ ...common, entryPoints: { theme: "src/theme.ts" }, format: "iife" });
await build({ ...common, entryPoints: ["src/app.css"] });
// The server does not compress: what a browser takes compressed lies there so.
for (const name of readdirSync(out).filter((file) => /\.(js|css)$/.test(file)))
  writeFileSync(join(out, name + ".gz"), gzipSync(readFileSync(join(out, name)), { level: 9 }));
copyFileSync("src/icon.svg", join(out, "icon.svg"));
// What app.js imports is fetched beside it, not after it.
const start = Object.entries(metafile.outputs).find(([name]) => basename(name) === "app.js")[1];
const early = start.imports.filter((one) => one.kind === "import-statement").map((one) => `<link rel="modulepreload" href="/${basename(one.path)}">\n`).sort();
const page = readFileSync("src/index.html", "utf8"), mark = '<script type="module"';
writeFileSync(join(out, "index.html"), page.replace(mark, early.join("") + mark));
