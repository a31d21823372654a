"""The parts of the forecast bench (tests/bench/forecast.py).

SPDX-License-Identifier: Apache-2.0
"""
