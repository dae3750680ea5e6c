// Debian 12 has Catch2 2.13 (one header), Debian 13 has 3.x: the tests are written for what both know.
#pragma once
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <iostream>

// Catch2 2.13 has no SKIP: the reason is printed, tests/run.py counts it, and the case ends.
#define SKIP_CASE(reason)                          \
  do {                                             \
    std::cout << "SKIPPED: " << (reason) << '\n';  \
    return;                                        \
  } while (false)
