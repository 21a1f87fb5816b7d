"""script/test counts what it ran, and calls nothing good that did not happen."""

import contextlib
import importlib.util
import io
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
specification = importlib.util.spec_from_file_location("script_test", ROOT / "script/test.py")
script = importlib.util.module_from_spec(specification)
specification.loader.exec_module(script)


class CountTest(unittest.TestCase):
    def run_part(self, function, wanted=True):
        script.LOGS.mkdir(parents=True, exist_ok=True)
        entry = script.PartEntry("self-test", function, True, lambda: wanted)
        with contextlib.redirect_stdout(io.StringIO()) as said:
            counts = script.Session(fault_count=1).run(entry)
        return counts, said.getvalue()

    def test_each_command_is_a_test(self):
        def part(part):
            part.check(["true"])
            part.check(["sh", "-c", "echo what went wrong; exit 3"])
        counts, said = self.run_part(part)
        self.assertEqual(counts, (1, 1))
        self.assertIn("what went wrong", said)

    def test_a_part_that_runs_nothing_has_failed(self):
        self.assertEqual(self.run_part(lambda part: None)[0], (0, 1))

    def test_a_part_that_nothing_asks_for_is_not_counted(self):
        self.assertEqual(self.run_part(lambda part: part.check(["false"]), wanted=False)[0], (0, 0))

    def test_python_tests_are_counted_by_their_own_words(self):
        for output, counts in (
                ("...\nRan 3 tests in 0.1s\n\nOK\n", (3, 0)),
                ("F\nRan 1 test in 0.1s\n\nFAILED (failures=1)\n", (1, 1)),
                ("\nRan 7 tests in 1s\n\nFAILED (failures=1, errors=2, skipped=1)\n", (7, 4)),
                ("\nRan 4 tests in 1s\n\nOK (skipped=4)\n", (4, 4)),  # Who skips has proved nothing.
                ("Segmentation fault\n", (0, 0))):
            with self.subTest(output):
                self.assertEqual(script.unittest_counts(output), counts)

    def test_an_unknown_part_is_named(self):
        said = subprocess.run(["script/test", "unti"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(said.returncode, 2)
        self.assertIn("no part unti", said.stderr)


if __name__ == "__main__":
    unittest.main()
