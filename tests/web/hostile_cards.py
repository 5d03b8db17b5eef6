"""Cards and words by somebody who means harm."""

SCRIPT = "<script>window.harmed = 1</script><img src=x onerror='window.harmed = 2'>"
LINKS = " ".join(f"[click]({target})" for target in (
    "javascript:window.harmed=3", "JaVaScRiPt:window.harmed=4", "java\tscript:window.harmed=5", "data:text/html,<script>1</script>",
    "vbscript:x", "//evil.invalid/x", "/api/v1/session", "file:///etc/passwd", "https://good.invalid/a?b=c", "\x01javascript:alert(1)",
    "https://x.invalid/\"onmouseover=\"window.harmed=6"))

CARDS = {
    "script": "# Hello\n" + SCRIPT + "\n\n<svg onload=window.harmed=7><a href=javascript:1>x</a></svg>\n\n<iframe srcdoc='<script>parent.harmed=8</script>'></iframe>",
    "links": LINKS + "\n\n<https://auto.invalid> http://plain.invalid/path ![picture](https://track.invalid/pixel.png)",
    "a giant table": "| a | b | c |\n| - | - | - |\n" + "| x | yy | zzz |\n" * 550,
    "deep lists": "\n".join("  " * i + "- item" for i in range(300)),
    "deep quotes": "> " * 3000 + "deep",
    "deep emphasis": "*" * 2000 + "x" + "*" * 2000 + "[" * 1500 + "y" + "](" * 1500,
    "backtracking": "a" * 3000 + "*a" * 1000 + "[" * 1000 + "`" * 999,
    "one long line": "w" * 9000,
    "long heading": "# " + "heading " * 900,
    "right to left": "safe \u202e gnp.exe\u202c \u2066\u2067 mixed \u2069 \u200b\u200b zero\n\n" + "\u0645\u0631\u062d\u0628\u0627 " * 50 + "\n\nZ" + "\u0301" * 500,
    "open fence": "```\n" + SCRIPT + "\n" * 50,
    "only marks": "#\n##\n- \n* \n1. \n> \n|\n|-|\n```\n`\n**\n",
}
WORDS = ("\"><img src=x onerror=window.harmed=9>", "${alert(1)}{{constructor}}", "\u202egnirts desrever", "l" * 500)
