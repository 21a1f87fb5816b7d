"""Some of the cases of matrix.py, as many as script/test has time for; script/faults runs all."""

import unittest

from integration.faults.matrix import BOUNDED, run_case
from integration.faults.three import Three

AGAIN = 10  # About four in ten hurts of a node come between a new key and its commit: so many more are tried where none did.


class MatrixTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.three = Three("matrix")
        cls.addClassCleanup(cls.three.stop)

    def test_hurt_singly_and_in_pairs(self):
        print(flush=True)
        for name in BOUNDED:
            with self.subTest(name):
                self.assertEqual(run_case(self.three, name), ("passed", ""))
        for _ in range(AGAIN):
            if self.three.between == 0:
                self.assertEqual(run_case(self.three, "kill-node"), ("passed", ""))
        print(self.three.tell_between(), flush=True)
        self.assertGreater(self.three.between, 0)


if __name__ == "__main__":
    unittest.main()
