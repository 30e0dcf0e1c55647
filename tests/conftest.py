def pytest_configure(config):
    config.addinivalue_line("markers", "slow: not run under sanitizers")
