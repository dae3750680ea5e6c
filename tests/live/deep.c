/* A library whose frames have names that a test knows: what a worker does in C as it dies. Built by the test, optimised, so without frame pointers. */
#include <alloca.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noinline)) int deep_nap(int n) { return sleep(600) + n; }

__attribute__((noinline)) int deep_spin(int n) {
  for (volatile long i = 0;; i++)
    if (i < 0) return n;
}

__attribute__((noinline)) int deep_crash(int n) { return *(volatile int *)8 + n; }

__attribute__((noinline)) int deep_eat(int n) {
  for (;; n++) {
    volatile char *bytes = malloc(1 << 20);
    for (int i = 0; bytes && i < 1 << 20; i += 4096) bytes[i] = (char)n;
  }
  return n;
}

/* Room on the stack that its callers must be found behind. */
__attribute__((noinline)) int deep_middle(int (*what)(int), int n) {
  volatile char room[3000];
  memset((char *)room, n, sizeof room);
  return what(n) + room[n & 7];
}

int deep_enter(int which) {
  int (*const all[])(int) = {deep_nap, deep_spin, deep_crash, deep_eat};
  return deep_middle(all[which & 3], which) + 1;
}

#ifdef DEEP_MAIN
/* A frame that is found by rbp alone: how large it is nobody knows before it runs. It calls the kernel itself, so nobody inside of it saved rbp. */
__attribute__((noinline)) long deep_room(int n) {
  volatile char *room = alloca((size_t)n * 16);
  long answer = 34; /* pause(2), x86-64 */
  room[0] = (char)n;
  __asm__ volatile("syscall" : "+a"(answer) : : "rcx", "r11", "memory");
  return answer + room[0];
}

__attribute__((noinline)) int deep_outer(int n) { return (int)deep_room(n) + 1; }

int main(int count, char **words) { return (count > 1 && words[1][0] == 's' ? deep_spin(count) : deep_outer(count + 40)) + 1; }
#endif
