"""Tests of the whole house from outside, and the local clusters that they run on."""
