#include "probe/stack_of.hpp"

#include <algorithm>

#include "probe/python/line_table.hpp"

namespace probe {

using evidence::StackFrame;
using evidence::ThreadStack;

namespace {

StackFrame frame_of(const DyingFrame& raw, int minor, bool& unsure) {
  StackFrame frame{raw.function, raw.file, 0};
  const int instr = minor == 10 ? raw.instr * 2 : raw.instr;      // 3.10 counts code units
  const auto line = line_at(minor, raw.table, raw.first, instr);
  const bool cut = raw.table.size() < raw.table_size;
  // A table that was cut may still reach as far as the frame is; where lnotab ends, its last line only holds when that is its end.
  if (line && (!cut || minor > 9)) frame.line = *line;
  else unsure = true;
  return frame;
}

std::string doubt_of(const DyingThread& thread, bool unsure, const std::vector<StackFrame>& native) {
  std::string doubt;
  const auto add = [&](const char* text) { doubt += (doubt.empty() ? "" : "; ") + std::string(text); };
  if (thread.flags & stack_dropped) add("some frames were lost: there was no room for them");
  if (thread.flags & stack_failed) add("outwards of these, memory was not there to be read");
  if (unsure) add("lines that are not told: their code is too long");
  if (thread.flags & stack_cut) add("the native stack was cut: there was no room for it");
  if (std::any_of(native.begin(), native.end(), [](const StackFrame& frame) { return frame.file.empty(); })) add("native frames in no file that was mapped when it was last looked at");
  return doubt;
}

}  // namespace

stack_python for_bpf(const Interpreter& python) {
  const PythonLayout& layout = python.layout;
  stack_python form{};
  form.interpreters = python.runtime + layout.interpreters;
  form.gil = layout.runtime_gil == PythonLayout::none ? 0 : python.runtime + layout.runtime_gil;
  form.interp_next = layout.interp_next;
  form.interp_threads = layout.interp_threads;
  form.interp_gil = layout.interp_gil;
  form.gil_locked = layout.gil_locked;
  form.gil_holder = layout.gil_holder;
  form.tstate_next = layout.tstate_next;
  form.tstate_thread = layout.tstate_thread;
  form.tstate_frame = layout.tstate_frame;
  form.cframe_frame = layout.cframe_frame;
  form.frame_previous = layout.frame_previous;
  form.frame_code = layout.frame_code;
  form.frame_instr = layout.frame_instr;
  form.frame_owner = layout.frame_owner;
  form.shim_owner = layout.shim_owner;
  form.instr_pointer = layout.instr_is_pointer;
  form.code_file = layout.code_file;
  form.code_name = layout.code_name;
  form.code_first = layout.code_first;
  form.code_table = layout.code_table;
  form.code_code = layout.code_code;
  form.text_length = layout.text_length;
  form.text_state = layout.text_state;
  form.text_ascii = layout.text_ascii;
  form.text_compact = layout.text_compact;
  form.bytes_size = layout.bytes_size;
  form.bytes_value = layout.bytes_value;
  return form;
}

ThreadStack stack_of(const DyingThread& thread, const Interpreter* python, std::vector<StackFrame> native) {
  ThreadStack stack;
  stack.tid = thread.tid;
  stack.signal = thread.signal;
  if (python) stack.runtime = python->name();
  stack.gil = (thread.flags & stack_gil) != 0;
  bool unsure = false;
  for (const DyingFrame& raw : thread.frames)
    if (python) stack.python.push_back(frame_of(raw, python->layout.minor, unsure));
  stack.beyond = (thread.flags & stack_more) != 0;
  stack.doubt = doubt_of(thread, unsure, native);
  stack.native = std::move(native);
  return stack;
}

}  // namespace probe
