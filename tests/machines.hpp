// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

/// Machines as hwloc describes them in XML, of the kinds that its synthetic notation has no words
/// for.
namespace convscale::testing {

struct MachineObject {
  std::string type;
  std::string attributes;
  std::uint32_t cpus = 0;
  std::uint32_t offline = 0;
  std::vector<MachineObject> children = {};
};

inline MachineObject with_children(std::string type, std::string attributes,
                                   std::vector<MachineObject> children) {
  MachineObject object{std::move(type), std::move(attributes)};
  for (const MachineObject& child : children) {
    object.cpus |= child.cpus;
    object.offline |= child.offline;
  }
  object.children = std::move(children);
  return object;
}

inline MachineObject pu(int index) {
  return {"PU", fmt::format("os_index=\"{}\"", index), std::uint32_t{1} << index};
}
/// A processor that is switched off: the machine has it, and nobody may use it.
inline MachineObject offline_pu(int index) { return {"", "", 0, std::uint32_t{1} << index}; }
inline MachineObject core(int index, std::vector<MachineObject> children) {
  return with_children("Core", fmt::format("os_index=\"{}\"", index), std::move(children));
}
inline MachineObject cache(int level, std::int64_t bytes, std::vector<MachineObject> children) {
  return with_children(fmt::format("L{}Cache", level),
                       fmt::format("cache_size=\"{}\" depth=\"{}\" cache_linesize=\"64\" "
                                   "cache_associativity=\"16\" cache_type=\"{}\"",
                                   bytes, level, level == 1 ? 1 : 0),
                       std::move(children));
}
inline MachineObject package(int index, std::vector<MachineObject> children) {
  return with_children("Package", fmt::format("os_index=\"{}\"", index), std::move(children));
}

inline std::string xml_of(const MachineObject& object, const std::string& indent) {
  if (object.cpus == 0) return "";
  std::string text = fmt::format(
      "{}<object type=\"{}\" {} cpuset=\"0x{:08x}\" complete_cpuset=\"0x{:08x}\" "
      "nodeset=\"0x00000001\" complete_nodeset=\"0x00000001\"",
      indent, object.type, object.attributes, object.cpus, object.cpus | object.offline);
  if (object.type == "Machine") {
    text += fmt::format(" allowed_cpuset=\"0x{:08x}\" allowed_nodeset=\"0x00000001\"", object.cpus);
  }
  text += ">\n";
  if (object.type == "Machine") {
    text += fmt::format(
        "{}  <object type=\"NUMANode\" os_index=\"0\" cpuset=\"0x{:08x}\" "
        "complete_cpuset=\"0x{:08x}\" nodeset=\"0x00000001\" complete_nodeset=\"0x00000001\" "
        "local_memory=\"1073741824\"/>\n",
        indent, object.cpus, object.cpus | object.offline);
  }
  for (const MachineObject& child : object.children) text += xml_of(child, indent + "  ");
  return text + indent + "</object>\n";
}

/// The whole file.
inline std::string machine_xml(std::vector<MachineObject> children) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n"
         "<topology version=\"2.0\">\n" +
         xml_of(with_children("Machine", "os_index=\"0\"", std::move(children)), "  ") +
         "</topology>\n";
}

constexpr std::int64_t kMiB = 1 << 20;

/// A die with stacked cache beside one without (as in a Ryzen 9 7950X3D).
inline std::string unequal_caches() {
  return machine_xml({package(
      0, {cache(3, 96 * kMiB,
                {cache(2, kMiB, {core(0, {pu(0)})}), cache(2, kMiB, {core(1, {pu(1)})})}),
          cache(3, 32 * kMiB,
                {cache(2, kMiB, {core(2, {pu(2)})}), cache(2, kMiB, {core(3, {pu(3)})})})})});
}

/// No package, no core, no cache (as in some virtual machines).
inline std::string only_processors() { return machine_xml({pu(0), pu(1), pu(2), pu(3)}); }

/// The same as a file without a NUMA node.
inline std::string no_numa_node() {
  std::string text = only_processors();
  const std::size_t begin = text.find("    <object type=\"NUMANode\"");
  return text.erase(begin, text.find('\n', begin) + 1 - begin);
}

/// Hardware threads are switched off: one of each core is left.
inline std::string smt_off() {
  return machine_xml(
      {package(0, {cache(3, 32 * kMiB,
                         {core(0, {pu(0), offline_pu(1)}), core(1, {pu(2), offline_pu(3)}),
                          core(2, {pu(4), offline_pu(5)})})})});
}

/// Two fast cores with two threads each, four slow ones that share a second-level cache, and two
/// that stand apart, with no third level (as in a Core Ultra).
inline std::string fast_and_slow_cores() {
  return machine_xml({package(
      0,
      {cache(3, 24 * kMiB,
             {cache(2, 2 * kMiB, {cache(1, 48 << 10, {core(0, {pu(0), pu(1)})})}),
              cache(2, 2 * kMiB, {cache(1, 48 << 10, {core(4, {pu(2), pu(3)})})}),
              cache(2, 4 * kMiB,
                    {cache(1, 32 << 10, {core(8, {pu(4)})}), cache(1, 32 << 10, {core(9, {pu(5)})}),
                     cache(1, 32 << 10, {core(10, {pu(6)})}),
                     cache(1, 32 << 10, {core(11, {pu(7)})})})}),
       cache(
           2, 2 * kMiB,
           {cache(1, 32 << 10, {core(32, {pu(8)})}), cache(1, 32 << 10, {core(33, {pu(9)})})})})});
}

/// Of the second package one processor is left.
inline std::string offline_processors() {
  return machine_xml(
      {package(0, {cache(3, 16 * kMiB, {core(0, {pu(0)}), core(1, {pu(2)})})}),
       package(1, {cache(3, 16 * kMiB, {core(0, {offline_pu(1)}), core(1, {pu(3)})})}),
       package(2, {cache(3, 16 * kMiB, {core(0, {offline_pu(4)})})})});
}

/// The sizes of caches are not known.
inline std::string caches_of_unknown_size() {
  return machine_xml({package(
      0, {cache(3, 0, {cache(2, 0, {core(0, {pu(0)})}), cache(2, 0, {core(1, {pu(1)})})})})});
}

struct OddMachine {
  const char* name;
  std::string xml;
};
// NOLINTNEXTLINE(readability-identifier-naming): GoogleTest looks for this name
inline void PrintTo(const OddMachine& machine, std::ostream* out) { *out << machine.name; }
inline std::vector<OddMachine> odd_machines() {
  return {{"unequal_caches", unequal_caches()},
          {"only_processors", only_processors()},
          {"no_numa_node", no_numa_node()},
          {"smt_off", smt_off()},
          {"fast_and_slow_cores", fast_and_slow_cores()},
          {"offline_processors", offline_processors()},
          {"caches_of_unknown_size", caches_of_unknown_size()}};
}

}  // namespace convscale::testing
