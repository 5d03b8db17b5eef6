"""The dashboard in a real browser: how each page looks, what it says, and to whom."""
import unittest

import web_case


class Looks(web_case.WebCase):
    def test_pages(self):
        self.browse("pages.mjs", 450, self.everything())


class Says(web_case.WebCase):
    def test_rooms_roles_and_logins(self):
        seed = self.everything()
        self.browse("says.mjs", 95, seed)
        self.browse("claims.mjs", 90, seed)


class First(web_case.WebCase):
    n_nodes = 0

    def test_nothing_yet(self):
        self.browse("first.mjs", 45)


if __name__ == "__main__":
    unittest.main()
