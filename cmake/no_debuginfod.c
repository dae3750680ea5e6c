/* libdw.a's debuginfod client dlopen()s libdebuginfod.so.1, which kills a static program with SIGFPE under another glibc (measured on
 * Debian 13). These four definitions stand in for that archive member, so that it is never pulled in: elfutils 0.188
 * libdwfl/debuginfod-client.c, which answers the same way when the library is not there. */
int __libdwfl_debuginfod_find_executable(void* dwfl, const unsigned char* id, unsigned long size);
int __libdwfl_debuginfod_find_debuginfo(void* dwfl, const unsigned char* id, unsigned long size);
void __libdwfl_debuginfod_end(void* client);
void* dwfl_get_debuginfod_client(void* dwfl);

int __libdwfl_debuginfod_find_executable(void* dwfl, const unsigned char* id, unsigned long size) {
  (void)dwfl, (void)id, (void)size;
  return -1;
}

int __libdwfl_debuginfod_find_debuginfo(void* dwfl, const unsigned char* id, unsigned long size) {
  (void)dwfl, (void)id, (void)size;
  return -1;
}

void __libdwfl_debuginfod_end(void* client) { (void)client; }

void* dwfl_get_debuginfod_client(void* dwfl) {
  (void)dwfl;
  return 0;
}
