"""The dashboard in a real browser: what each page looks like and says, by theme and width."""
import unittest

import web_case


class Looks(web_case.WebCase):
    def test_pages(self):
        self.browse("pages.mjs", 500, self.everything())


if __name__ == "__main__":
    unittest.main()
