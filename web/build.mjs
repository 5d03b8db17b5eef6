// Bundles src/app.tsx and src/app.css with esbuild; copies the page and the icon. Output depends on the
// sources and the lock file only.
import { build } from "esbuild";
import { copyFileSync } from "node:fs";
import { join } from "node:path";

const out = process.argv[2] ?? "dist";
await build({
  entryPoints: { app: "src/app.tsx" },
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2020"],
  charset: "utf8",
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  outdir: out,
});
await build({ entryPoints: ["src/app.css"], bundle: true, minify: true, outdir: out });
for (const name of ["index.html", "icon.svg"]) copyFileSync(join("src", name), join(out, name));
