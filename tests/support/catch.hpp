// Debian 12 has Catch2 2.13 (one header), Debian 13 has 3.x: the tests are written for what both know.
#pragma once
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
