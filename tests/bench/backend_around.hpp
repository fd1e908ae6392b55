// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/backends.hpp"
#include "common/backend.hpp"

#include <functional>
#include <memory>
#include <utility>

namespace convscale::testing {

/// Computes nothing.
class IdleBackend : public Backend {
 public:
  void prepare(const HostBuffers& /*buffers*/) override {}
  Ceilings measure_ceilings() override { return {}; }
  void poison() override {}
  Ticket start(Range /*images*/) override { return 0; }
  void wait(Ticket /*ticket*/) override {}
  Trace inspect(bool /*with_times*/) override { return {}; }
  BackendFacts finish() override { return facts(); }
};

/// Does what another backend does; what is to be different is overridden.
class BackendAround : public Backend {
 public:
  explicit BackendAround(std::unique_ptr<Backend> backend) : backend_(std::move(backend)) {
    facts_ = backend_->facts();
    needs_ = backend_->needs();
  }

  void prepare(const HostBuffers& buffers) override { backend_->prepare(buffers); }
  void load() override { backend_->load(); }
  Ceilings measure_ceilings() override { return backend_->measure_ceilings(); }
  void poison() override { backend_->poison(); }
  Ticket start(Range images) override { return backend_->start(images); }
  void wait(Ticket ticket) override { backend_->wait(ticket); }
  bool is_done(Ticket ticket) override { return backend_->is_done(ticket); }
  Trace inspect(bool with_times) override { return backend_->inspect(with_times); }
  BackendFacts finish() override { return backend_->finish(); }

 private:
  std::unique_ptr<Backend> backend_;
};

/// The program's table, its CPU backend replaced by what `wrap` makes of it. What scope resident is
/// there, it runs end to end.
using Wrap = std::function<std::unique_ptr<Backend>(std::unique_ptr<Backend>, const Config&)>;
inline BackendTable with_cpu(const Wrap& wrap) {
  BackendTable table = backends();
  table.front().create = [create = table.front().create, wrap](const Config& config,
                                                               const Assignment& assignment) {
    Config on_host = config;
    on_host.scope = Scope::kEndToEnd;
    return wrap(create(on_host, assignment), config);
  };
  return table;
}

}  // namespace convscale::testing
