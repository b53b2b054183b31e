#include "shim.h"

#include "retune-torch/src/bridge.rs.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_efficient_attention_forward.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/rsub.h>
#include <ATen/ops/stack.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/autograd/custom_function.h>

namespace retune {
namespace {

const at::Tensor &tensor(std::size_t address) { return *reinterpret_cast<const at::Tensor *>(address); }

std::vector<at::Tensor> tensors(rust::Slice<const std::size_t> addresses) {
  std::vector<at::Tensor> list;
  list.reserve(addresses.size());
  for (std::size_t address : addresses) list.push_back(tensor(address));
  return list;
}

std::size_t give(at::Tensor value) { return reinterpret_cast<std::size_t>(new at::Tensor(std::move(value))); }

// A negative index is the CPU's generator.
at::Generator generator(std::int32_t cuda_index) {
  const at::Device device = cuda_index < 0 ? at::Device(at::kCPU) : at::Device(at::kCUDA, cuda_index);
  return at::globalContext().defaultGenerator(device);
}

// An operation of Rust's, kept from the forward to the backward pass.
struct Operation : torch::CustomClassHolder {
  explicit Operation(rust::Box<BoxedOperation> boxed) : boxed(std::move(boxed)) {}
  rust::Box<BoxedOperation> boxed;
};

std::vector<std::size_t> addresses(const std::vector<at::Tensor> &list) {
  std::vector<std::size_t> places;
  places.reserve(list.size());
  for (const at::Tensor &one : list) places.push_back(reinterpret_cast<std::size_t>(&one));
  return places;
}

rust::Slice<const std::size_t> slice(const std::vector<std::size_t> &numbers) {
  return rust::Slice<const std::size_t>(numbers.data(), numbers.size());
}

at::Tensor take(std::size_t address) {
  auto *owned = reinterpret_cast<at::Tensor *>(address);
  at::Tensor value = std::move(*owned);
  delete owned;
  return value;
}

class Node : public torch::autograd::Function<Node> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext *context, at::TensorList inputs,
                            c10::intrusive_ptr<Operation> operation) {
    const std::vector<at::Tensor> list = inputs.vec();
    at::Tensor output = take(operation_forward(*operation->boxed, slice(addresses(list))));
    if (operation_keeps_inputs(*operation->boxed)) context->save_for_backward(list);
    context->saved_data["inputs"] = static_cast<std::int64_t>(list.size());
    context->saved_data["operation"] = c10::IValue::make_capsule(operation);
    return output;
  }

  static std::vector<at::Tensor> backward(torch::autograd::AutogradContext *context,
                                          std::vector<at::Tensor> gradients) {
    const auto operation = c10::static_intrusive_pointer_cast<Operation>(context->saved_data["operation"].toCapsule());
    const std::vector<at::Tensor> inputs = context->get_saved_variables();
    const auto count = static_cast<std::size_t>(context->saved_data["inputs"].toInt());
    const std::unique_ptr<bool[]> needed(new bool[count]);
    for (std::size_t i = 0; i < count; ++i) needed[i] = context->needs_input_grad(i);
    const auto found = operation_backward(*operation->boxed, slice(addresses(inputs)),
                                          reinterpret_cast<std::size_t>(&gradients[0]),
                                          rust::Slice<const bool>(needed.get(), count));
    std::vector<at::Tensor> results;
    results.reserve(found.size() + 1);
    for (std::size_t address : found) results.push_back(take(address));
    results.emplace_back();  // the operation itself
    return results;
  }
};

}  // namespace

std::size_t apply_operation(rust::Box<BoxedOperation> operation, rust::Slice<const std::size_t> inputs) {
  const std::vector<at::Tensor> list = tensors(inputs);
  return give(Node::apply(at::TensorList(list), c10::make_intrusive<Operation>(std::move(operation))));
}

void parallel_for(std::size_t count, std::size_t grain, const Work &work) {
  at::parallel_for(0, static_cast<std::int64_t>(count), static_cast<std::int64_t>(grain),
                   [&](std::int64_t begin, std::int64_t end) { do_work(work, begin, end); });
}

void fused_adamw(rust::Slice<const std::size_t> parameters, rust::Slice<const std::size_t> gradients,
                 rust::Slice<const std::size_t> first_moments, rust::Slice<const std::size_t> second_moments,
                 rust::Slice<const std::size_t> steps, double learning_rate, double beta1, double beta2,
                 double weight_decay, double epsilon, std::size_t skip) {
  at::NoGradGuard no_grad;
  const auto step_tensors = tensors(steps);
  const auto found_inf = skip == 0 ? std::optional<at::Tensor>() : tensor(skip);
  // The kernel reads the step's number and leaves counting to its caller.
  if (found_inf) {
    at::_foreach_add_(step_tensors, at::rsub(*found_inf, 1));
  } else {
    at::_foreach_add_(step_tensors, at::Scalar(1));
  }
  at::_fused_adamw_(tensors(parameters), tensors(gradients), tensors(first_moments), tensors(second_moments),
                    /*max_exp_avg_sqs=*/{}, step_tensors, learning_rate, beta1, beta2, weight_decay, epsilon,
                    /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/{}, found_inf);
}

Mark::Mark(c10::Device device) : event(device.type()) {
  const c10::impl::VirtualGuardImpl guard(device.type());
  event.record(guard.getStream(device));
}

std::unique_ptr<Mark> mark(std::int32_t cuda_index) {
  return std::make_unique<Mark>(c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(cuda_index)));
}

void wait_for(const Mark &mark) { mark.event.synchronize(); }

std::size_t norms(rust::Slice<const std::size_t> list) {
  at::NoGradGuard no_grad;
  const auto all = tensors(list);
  const auto is_here = [](const at::Tensor &one) { return one.device().is_cpu(); };
  if (!std::all_of(all.begin(), all.end(), is_here)) return give(at::stack(at::_foreach_norm(all, 2)));
  // On the processor each would be computed by one thread, one after the other.
  std::vector<at::Tensor> norms(all.size());
  at::parallel_for(0, static_cast<std::int64_t>(all.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    at::NoGradGuard no_grad_on_this_thread;
    for (auto place = begin; place < end; ++place) norms[place] = at::linalg_vector_norm(all[place], 2);
  });
  return give(at::stack(norms));
}

void scale(rust::Slice<const std::size_t> list, std::size_t factor) {
  at::NoGradGuard no_grad;
  at::_foreach_mul_(tensors(list), tensor(factor));
}

void scale_by(rust::Slice<const std::size_t> list, double factor) {
  at::NoGradGuard no_grad;
  at::_foreach_mul_(tensors(list), at::Scalar(factor));
}

void add_scaled(rust::Slice<const std::size_t> list, rust::Slice<const std::size_t> others, double factor) {
  at::NoGradGuard no_grad;
  at::_foreach_add_(tensors(list), tensors(others), factor);
}

void lerp(rust::Slice<const std::size_t> list, rust::Slice<const std::size_t> ends, double weight) {
  at::NoGradGuard no_grad;
  at::_foreach_lerp_(tensors(list), tensors(ends), at::Scalar(weight));
}

void add_product(rust::Slice<const std::size_t> list, rust::Slice<const std::size_t> first,
                 rust::Slice<const std::size_t> second, double factor) {
  at::NoGradGuard no_grad;
  at::_foreach_addcmul_(tensors(list), tensors(first), tensors(second), at::Scalar(factor));
}

std::size_t flash_attention(std::size_t q, std::size_t k, std::size_t v, std::size_t query_offsets,
                            std::size_t key_offsets, std::int64_t longest_query, std::int64_t longest_key,
                            double dropout, double scale, bool causal, std::int64_t before, std::int64_t after) {
  const auto bound = [](std::int64_t keys) { return keys < 0 ? std::optional<std::int64_t>() : keys; };
  return give(std::get<0>(at::_flash_attention_forward(
      tensor(q), tensor(k), tensor(v), tensor(query_offsets), tensor(key_offsets), longest_query, longest_key, dropout,
      causal, /*return_debug_mask=*/false, scale, bound(before), bound(after))));
}

std::size_t efficient_attention(std::size_t q, std::size_t k, std::size_t v, std::size_t query_offsets,
                                std::size_t key_offsets, std::int64_t longest_query, std::int64_t longest_key,
                                double dropout, double scale, bool causal) {
  // 1 is causal, counted from the first token of each sequence; the backward pass needs the sums of exponentials.
  return give(std::get<0>(at::_efficient_attention_forward(
      tensor(q), tensor(k), tensor(v), /*bias=*/{}, tensor(query_offsets), tensor(key_offsets), longest_query,
      longest_key, dropout, /*custom_mask_type=*/causal ? 1 : 0, /*compute_log_sumexp=*/true, scale)));
}

std::size_t generator_state(std::int32_t cuda_index) {
  at::Generator source = generator(cuda_index);
  const std::lock_guard<std::mutex> lock(source.mutex());
  return give(source.get_state());
}

void set_generator_state(std::int32_t cuda_index, std::size_t state) {
  at::Generator target = generator(cuda_index);
  const std::lock_guard<std::mutex> lock(target.mutex());
  target.set_state(tensor(state));
}

Autocast autocast(bool cuda) {
  const auto device = cuda ? at::kCUDA : at::kCPU;
  return {at::autocast::is_autocast_enabled(device), at::autocast::get_autocast_dtype(device) == at::kHalf};
}

void set_autocast(bool cuda, Autocast how) {
  const auto device = cuda ? at::kCUDA : at::kCPU;
  at::autocast::set_autocast_dtype(device, how.half ? at::kHalf : at::kBFloat16);
  at::autocast::set_autocast_enabled(device, how.enabled);
}

void clear_autocast_cache() { at::autocast::clear_cache(); }

void multiply_tf32(bool allowed) { at::globalContext().setAllowTF32CuBLAS(allowed); }

bool multiplies_tf32() { return at::globalContext().allowTF32CuBLAS(); }

}  // namespace retune
