"""Some of the cases of matrix.py, as many as script/test has time for; script/faults runs all."""

import unittest

from integration.faults.matrix import BOUNDED, run_case
from integration.faults.three import Three


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
        print(self.three.tell_between(), flush=True)
        self.assertGreater(self.three.between, 0)


if __name__ == "__main__":
    unittest.main()
