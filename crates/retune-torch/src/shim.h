// Operations of libtorch that tch leaves out, in terms that cxx can carry: addresses of at::Tensor, numbers, exceptions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <c10/core/Device.h>
#include <c10/core/Event.h>

#include "rust/cxx.h"

namespace retune {

struct Autocast;
struct BoxedOperation;
struct Work;

// A place in the queue of a device's current stream.
struct Mark {
  explicit Mark(c10::Device device);
  c10::Event event;
};

std::size_t apply_operation(rust::Box<BoxedOperation> operation, rust::Slice<const std::size_t> inputs);
void parallel_for(std::size_t count, std::size_t grain, const Work &work);
void fused_adamw(rust::Slice<const std::size_t> parameters, rust::Slice<const std::size_t> gradients,
                 rust::Slice<const std::size_t> first_moments, rust::Slice<const std::size_t> second_moments,
                 rust::Slice<const std::size_t> steps, double learning_rate, double beta1, double beta2,
                 double weight_decay, double epsilon, std::size_t skip);
std::unique_ptr<Mark> mark(std::int32_t cuda_index);
void wait_for(const Mark &mark);
std::size_t norms(rust::Slice<const std::size_t> tensors);
void scale(rust::Slice<const std::size_t> tensors, std::size_t factor);
void scale_by(rust::Slice<const std::size_t> tensors, double factor);
void add_scaled(rust::Slice<const std::size_t> tensors, rust::Slice<const std::size_t> others, double factor);
void lerp(rust::Slice<const std::size_t> tensors, rust::Slice<const std::size_t> ends, double weight);
void add_product(rust::Slice<const std::size_t> tensors, rust::Slice<const std::size_t> first,
                 rust::Slice<const std::size_t> second, double factor);
std::size_t flash_attention(std::size_t q, std::size_t k, std::size_t v, std::size_t query_offsets,
                            std::size_t key_offsets, std::int64_t longest_query, std::int64_t longest_key,
                            double dropout, double scale, bool causal, std::int64_t before, std::int64_t after);
std::size_t efficient_attention(std::size_t q, std::size_t k, std::size_t v, std::size_t query_offsets,
                                std::size_t key_offsets, std::int64_t longest_query, std::int64_t longest_key,
                                double dropout, double scale, bool causal);
std::size_t generator_state(std::int32_t cuda_index);
void set_generator_state(std::int32_t cuda_index, std::size_t state);
Autocast autocast(bool cuda);
void set_autocast(bool cuda, Autocast how);
void clear_autocast_cache();

void multiply_tf32(bool allowed);
bool multiplies_tf32();

}  // namespace retune
