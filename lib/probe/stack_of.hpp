// Between an interpreter and BPF: where BPF finds what it needs of one, and what it read as a stack with source lines.
#pragma once

#include <vector>

#include "evidence/fact.hpp"
#include "probe/python/interpreter.hpp"
#include "probe/stack_records.hpp"

namespace probe {

stack_python for_bpf(const Interpreter& python);

/// `how` is left to whoever knows. `python`: what it was read by; nullptr none. `native`: unwound already.
evidence::ThreadStack stack_of(const DyingThread& thread, const Interpreter* python, std::vector<evidence::StackFrame> native);

}  // namespace probe
