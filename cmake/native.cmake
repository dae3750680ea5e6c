# Native stacks by elfutils' libdwfl. Where it is missing the build succeeds without them, and what wants them says so in a Gap.
pkg_check_modules(LIBDW IMPORTED_TARGET libdw)
if(LIBDW_FOUND)
  target_compile_definitions(triage_probe PRIVATE TRIAGE_HAVE_DW)
  target_link_libraries(triage_probe PUBLIC PkgConfig::LIBDW)
  if(TRIAGE_STATIC)  # what libdw.a itself needs
    find_library(LIBDW_BZ2 bz2 REQUIRED)
    find_library(LIBDW_LZMA lzma REQUIRED)
    target_link_libraries(triage_probe PUBLIC elf ${LIBDW_BZ2} ${LIBDW_LZMA} PkgConfig::ZLIB PkgConfig::ZSTD)
  endif()
  message(STATUS "native stacks: yes (libdw ${LIBDW_VERSION})")
else()
  message(STATUS "native stacks: no (needs libdw)")
endif()
