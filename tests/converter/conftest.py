"""What every test of this folder runs under."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Small networks gain nothing from more threads, and lose much where tests run side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
