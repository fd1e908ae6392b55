// SPDX-License-Identifier: Apache-2.0
#include "tests/cuda/standin/runtime.hpp"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace convscale::standin {
namespace {

using Names = std::map<std::uintptr_t, std::string>;

/// "void convscale::cuda::kernel<double>(Work)"
std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name, nullptr, nullptr, &status), &std::free);
  return status == 0 ? text.get() : name;
}

template <class T>
const T* at(const std::string& bytes, std::size_t offset) {
  return reinterpret_cast<const T*>(bytes.data() + offset);
}

/// The functions of this program by address, those with internal linkage too.
Names read_names() {
  Names names;
  Dl_info program{};
  if (dladdr(reinterpret_cast<const void*>(&cudaGetErrorName), &program) == 0) return names;
  std::ifstream file("/proc/self/exe", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  if (bytes.size() < sizeof(ElfW(Ehdr)) || bytes.compare(0, SELFMAG, ELFMAG) != 0) return names;
  const auto* header = at<ElfW(Ehdr)>(bytes, 0);
  const auto base = header->e_type == ET_DYN ? reinterpret_cast<std::uintptr_t>(program.dli_fbase)
                                             : std::uintptr_t{0};
  const auto* sections = at<ElfW(Shdr)>(bytes, header->e_shoff);
  for (unsigned s = 0; s < header->e_shnum; ++s) {
    if (sections[s].sh_type != SHT_SYMTAB) continue;
    const char* strings = at<char>(bytes, sections[sections[s].sh_link].sh_offset);
    const auto* symbols = at<ElfW(Sym)>(bytes, sections[s].sh_offset);
    for (std::size_t i = 0; i < sections[s].sh_size / sizeof(ElfW(Sym)); ++i) {
      if ((symbols[i].st_info & 0xF) == STT_FUNC && symbols[i].st_value != 0)
        names.emplace(base + symbols[i].st_value, strings + symbols[i].st_name);
    }
  }
  return names;
}

}  // namespace

std::string function_name(const void* address) {
  static const Names kMangled = read_names();
  const auto found = kMangled.find(reinterpret_cast<std::uintptr_t>(address));
  return found == kMangled.end() ? "(unknown)" : demangled(found->second.c_str());
}

}  // namespace convscale::standin
