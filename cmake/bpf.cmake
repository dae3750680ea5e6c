# The watcher's BPF objects and their skeletons, made at build time by clang and bpftool. Where one of them, or libbpf, is missing the build
# succeeds without BPF, and the watcher says so in a Gap.
pkg_check_modules(LIBBPF IMPORTED_TARGET libbpf)
pkg_check_modules(LIBELF IMPORTED_TARGET libelf)
find_program(BPF_CLANG NAMES clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14)
find_program(BPFTOOL bpftool PATHS /usr/sbin /sbin)
option(TRIAGE_BPF "watch through BPF where clang, bpftool and libbpf are there" ON)

if(TRIAGE_BPF AND LIBBPF_FOUND AND LIBELF_FOUND AND BPF_CLANG AND BPFTOOL)
  set(bpf_source ${CMAKE_SOURCE_DIR}/lib/probe/bpf)
  set(bpf_out ${CMAKE_BINARY_DIR}/bpf)
  file(MAKE_DIRECTORY ${bpf_out})
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    set(bpf_arch arm64)
  else()
    set(bpf_arch x86)
  endif()
  # -g keeps the BTF that CO-RE needs; llvm's own debug sections are dropped by bpftool gen object.
  set(bpf_skeletons)
  file(GLOB bpf_headers CONFIGURE_DEPENDS ${bpf_source}/*.h)
  foreach(name deaths calls stacks samples requests)
    add_custom_command(OUTPUT ${bpf_out}/${name}.skel.h
      COMMAND ${BPF_CLANG} -target bpf -O2 -g -mcpu=v2 -Wall -Werror -D__TARGET_ARCH_${bpf_arch} -I${bpf_source} -c ${bpf_source}/${name}.bpf.c -o ${bpf_out}/${name}.raw.o
      COMMAND ${BPFTOOL} gen object ${bpf_out}/${name}.o ${bpf_out}/${name}.raw.o
      COMMAND ${BPFTOOL} gen skeleton ${bpf_out}/${name}.o name ${name}_bpf > ${bpf_out}/${name}.skel.h
      DEPENDS ${bpf_source}/${name}.bpf.c ${bpf_headers}
      VERBATIM COMMENT "BPF ${name}.bpf.c")
    list(APPEND bpf_skeletons ${bpf_out}/${name}.skel.h)
  endforeach()
  add_custom_target(triage_bpf_skeleton DEPENDS ${bpf_skeletons})
  add_dependencies(triage_probe triage_bpf_skeleton)
  target_include_directories(triage_probe SYSTEM PRIVATE ${bpf_out})
  target_compile_definitions(triage_probe PRIVATE TRIAGE_HAVE_BPF)
  # libelf.a needs zlib behind it.
  target_link_libraries(triage_probe PUBLIC PkgConfig::LIBBPF PkgConfig::LIBELF PkgConfig::ZLIB)
  message(STATUS "BPF watcher: yes (${BPF_CLANG}, ${BPFTOOL}, libbpf ${LIBBPF_VERSION})")
else()
  message(STATUS "BPF watcher: no (needs libbpf, libelf, clang and bpftool)")
endif()

if(TRIAGE_STATIC)
  target_link_libraries(triage_probe INTERFACE $<TARGET_OBJECTS:triage_no_debuginfod>)
endif()
