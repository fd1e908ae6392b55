// SPDX-License-Identifier: Apache-2.0
// The fake cuDNN's descriptors: what was set, with the checks that it is there and lives.
#pragma once

#include <cudnn.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace fake_cudnn {

struct Attribute {
  cudnnBackendAttributeType_t type = CUDNN_TYPE_INT64;
  std::vector<char> bytes;
};

struct Descriptor {
  cudnnBackendDescriptorType_t type = {};
  bool finalized = false;
  std::map<int, Attribute> attributes = {};
  int engine = -1;
  int choice = 0;  ///< of the engine's knob; 0: none was made
};

struct Refused {
  cudnnStatus_t status;
  std::string reason;
};

struct Library {
  std::set<const Descriptor*> descriptors;
  std::set<const void*> handles;
  std::string last_error;
  int plans = 0;         ///< that were made
  int on_nothing = 0;    ///< executions on what is no data
  std::string executed;  ///< the engine that was queued last
};
inline Library library;

inline void require(bool condition, const std::string& reason,
                    cudnnStatus_t status = CUDNN_STATUS_BAD_PARAM) {
  if (!condition) throw Refused{status, reason};
}

/// Runs `body`, unless the environment asks for a failure.
template <class Body>
cudnnStatus_t call(const char* name, Body&& body) {
  try {
    const char* fail = std::getenv("FAKE_CUDNN_FAIL");
    const std::string prefix = std::string(name) + ":";
    if (fail != nullptr && std::string(fail).starts_with(prefix)) {
      const int status = std::atoi(fail + prefix.size());
      throw Refused{static_cast<cudnnStatus_t>(status), "told to fail"};
    }
    body();
    return CUDNN_STATUS_SUCCESS;
  } catch (const Refused& refused) {
    library.last_error = refused.reason;
    return refused.status;
  }
}

/// Whether the environment's variable is `value`.
inline bool is(const char* variable, const std::string& value) {
  const char* text = std::getenv(variable);
  return text != nullptr && text == value;
}

inline bool proposes(const char* what) { return is("FAKE_CUDNN_PROPOSE", what); }

inline Descriptor& alive(void* pointer, bool finalized) {
  auto* descriptor = static_cast<Descriptor*>(pointer);
  require(library.descriptors.contains(descriptor), "a descriptor that does not live");
  require(descriptor->finalized == finalized, finalized ? "not finalized" : "already finalized",
          CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED);
  return *descriptor;
}

template <class T>
std::vector<T> values(const Descriptor& descriptor, int name, std::size_t count) {
  const auto found = descriptor.attributes.find(name);
  require(found != descriptor.attributes.end(), "no attribute " + std::to_string(name));
  // T may be a pointer.
  const std::size_t bytes = count * sizeof(T);  // NOLINT(bugprone-sizeof-expression)
  require(found->second.bytes.size() == bytes, "size of attribute " + std::to_string(name));
  std::vector<T> result(count);
  std::memcpy(result.data(), found->second.bytes.data(), found->second.bytes.size());
  return result;
}
template <class T>
T value(const Descriptor& descriptor, int name) {
  return values<T>(descriptor, name, 1)[0];
}
inline Descriptor& child(const Descriptor& descriptor, int name) {
  return alive(value<void*>(descriptor, name), true);
}

}  // namespace fake_cudnn
