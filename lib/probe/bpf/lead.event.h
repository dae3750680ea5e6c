/* Where a descriptor leads. Shared by the kernel side (C) and the reader (C++). */
#ifndef TRIAGE_LEAD_EVENT_H
#define TRIAGE_LEAD_EVENT_H

struct lead {
  unsigned short mode;   /* st_mode; 0 none, nothing was found */
  unsigned short family; /* of a socket */
  unsigned short port;   /* of its peer, network byte order; 0 none */
  unsigned short lport;  /* its own, host byte order */
  unsigned char address[16];
};

#endif
