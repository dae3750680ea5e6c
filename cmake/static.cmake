# TRIAGE_STATIC: one static file per program (`cmake --preset release`). Included before anything looks for a library.
if(TRIAGE_STATIC)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
  # A linker warning here is a crash on another machine (getpwnam, dlopen in a static glibc), so it fails the link.
  add_link_options(-static -Wl,--fatal-warnings -Wl,--gc-sections)
  add_compile_options(-ffunction-sections -fdata-sections)
  add_library(triage_no_debuginfod OBJECT ${CMAKE_CURRENT_LIST_DIR}/no_debuginfod.c)
  target_compile_options(triage_no_debuginfod PRIVATE -Wall -Wextra)
endif()
