// Template: partial vectors, exp, tanh and the activations over one vector. It brings in MP_VECTORS, the vector
// vocabulary of the set that the including file is compiled for; every other template includes what it needs itself.
//
// Every function is a fixed sequence of lane operations, so a value's result does not depend on its lane.
// Coefficients: least squares on 4000 Chebyshev nodes, reweighted (Lawson) towards the smallest largest error, then
// rounded to float; the error named at each function is the measured one of the float evaluation.
#ifndef MP_VECTOR_MATH_H
#define MP_VECTOR_MATH_H

#include "operations/kernel_table.h"
#include MP_VECTORS

/// The vector at p when `left` floats are left: whole, or masked at the end of a row. The branch costs less than
/// masking every access (AMD's AVX2 masked store takes 12 cycles).
MP_INLINE vec v_load_some(const float *p, size_t left) {
  return left >= LANES ? v_load(p) : v_load_masked(p, v_first(left));
}
MP_INLINE void v_store_some(float *p, size_t left, vec x) {
  if (left >= LANES) {
    v_store(p, x);
  } else {
    v_store_masked(p, v_first(left), x);
  }
}
/// Zeroes the lanes after the row's end.
MP_INLINE vec v_keep_some(size_t left, vec x) { return left >= LANES ? x : v_keep(v_first(left), x); }

/// e^x = 2^n e^r, relative error 8e-8: returns e^r and sets n. x = n ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts so
/// that n times the first is exact; e^r = 1 + r + r^2 p(r).
MP_INLINE vec v_exp_parts(vec x, vec *power) {
  const vec n = v_round(v_mul(x, v_set(1.44269504f)));
  vec r = v_fma(n, v_set(-0.693145752f), x);
  r = v_fma(n, v_set(-1.42860677e-6f), r);
  vec p = v_set(0.0013814267f);
  p = v_fma(p, r, v_set(0.00836887863f));
  p = v_fma(p, r, v_set(0.0416684039f));
  p = v_fma(p, r, v_set(0.166665196f));
  p = v_fma(p, r, v_set(0.49999994f));
  p = v_fma(p, r, v_set(1.0f));
  *power = n;
  return v_fma(p, r, v_set(1.0f));
}

/// e^x over the normal range; 0 below -104, inf above 88.8, NaN for NaN.
MP_INLINE vec v_exp(vec x) {
  vec n;
  const vec p = v_exp_parts(v_max(v_set(-104.0f), v_min(v_set(89.0f), x)), &n);
  return v_scale_by_power(p, n);
}

/// The same bits in two thirds of the operations, for x in -87 ... 88.
MP_INLINE vec v_exp_within(vec x) {
  vec n;
  const vec p = v_exp_parts(x, &n);
  return v_scale_within(p, n);
}

/// tanh x, absolute error 1e-7. Below 0.625: x + x^3 p(x^2), because 1 - 2 / (e^2x + 1) would lose the small x's
/// digits.
MP_INLINE vec v_tanh(vec x) {
  const vec size = v_abs(x);
  const vec tail = v_div(v_set(2.0f), v_add(v_exp(v_add(size, size)), v_set(1.0f)));
  const vec large = v_copy_sign(v_sub(v_set(1.0f), tail), x);
  const vec square = v_mul(x, x);
  vec p = v_set(-0.00571704935f);
  p = v_fma(p, square, v_set(0.0206505917f));
  p = v_fma(p, square, v_set(-0.0537435003f));
  p = v_fma(p, square, v_set(0.133314908f));
  p = v_fma(p, square, v_set(-0.333332837f));
  const vec small = v_fma(v_mul(p, square), x, x);
  return v_select_greater(size, v_set(0.625f), large, small);
}

/// p(w) with Phi(x) = 1/2 + x p(w) for x^2 = square < 5.2^2, where w = 2 x^2 / 5.2^2 - 1 keeps the terms below 0.14 so
/// that Horner's rule cancels nothing. Outside, Phi is 0 or 1 to within 1e-7.
MP_INLINE vec v_normal_polynomial(vec square) {
  const vec w = v_fma(square, v_set(0.0739644989f), v_set(-1.0f));
  vec p = v_set(-0.000481362862f);
  p = v_fma(p, w, v_set(0.00126857846f));
  p = v_fma(p, w, v_set(-0.00122125924f));
  p = v_fma(p, w, v_set(0.00179994677f));
  p = v_fma(p, w, v_set(-0.00478928117f));
  p = v_fma(p, w, v_set(0.00856013782f));
  p = v_fma(p, w, v_set(-0.0125050042f));
  p = v_fma(p, w, v_set(0.0179547127f));
  p = v_fma(p, w, v_set(-0.0247236565f));
  p = v_fma(p, w, v_set(0.031989973f));
  p = v_fma(p, w, v_set(-0.0399298184f));
  p = v_fma(p, w, v_set(0.0500245206f));
  p = v_fma(p, w, v_set(-0.0677436665f));
  p = v_fma(p, w, v_set(0.135949999f));
  return p;
}

/// x Phi(x), error 2e-7 max(1, |x|).
MP_INLINE vec v_gelu(vec x) {
  const vec square = v_mul(x, x);
  const vec inside = v_mul(x, v_fma(x, v_normal_polynomial(square), v_set(0.5f)));
  return v_select_greater(square, v_set(5.2f * 5.2f), v_max(v_zero(), x), inside);
}

/// x Phi(x) where the result is rounded to bf16 or int8 next: error 1.3e-4 max(1, |x|), in 60% of the operations. As
/// v_gelu, with |x| < 4 as the inside.
MP_INLINE vec v_gelu_coarse(vec x) {
  const vec square = v_mul(x, x);
  const vec w = v_fma(square, v_set(0.125f), v_set(-1.0f));
  vec p = v_set(-0.00272894278f);
  p = v_fma(p, w, v_set(0.00821126439f));
  p = v_fma(p, w, v_set(-0.0132600758f));
  p = v_fma(p, w, v_set(0.0216217265f));
  p = v_fma(p, w, v_set(-0.0364953429f));
  p = v_fma(p, w, v_set(0.0560508072f));
  p = v_fma(p, w, v_set(-0.084357470f));
  p = v_fma(p, w, v_set(0.175947756f));
  const vec inside = v_mul(x, v_fma(x, p, v_set(0.5f)));
  return v_select_greater(square, v_set(16.0f), v_max(v_zero(), x), inside);
}

/// The tanh form of GELU as x / (1 + e^-2z), z = sqrt(2/pi) (x + 0.044715 x^3). Below -10 it is 0 in float, and the
/// quotient would be inf / inf at -inf; above 10 it is x.
MP_INLINE vec v_gelu_tanh(vec x) {
  const vec square = v_mul(x, x);
  const vec twice = v_mul(x, v_fma(square, v_set(-0.0713548163f), v_set(-1.59576912f)));
  const vec inside = v_div(x, v_add(v_set(1.0f), v_exp(twice)));
  return v_select_greater(square, v_set(100.0f), v_max(v_zero(), x), inside);
}

/// 1 / (1 + e^-x) as (1 + tanh(x / 2)) / 2, which has its limits at infinity.
MP_INLINE vec v_sigmoid(vec x) { return v_fma(v_set(0.5f), v_tanh(v_mul(x, v_set(0.5f))), v_set(0.5f)); }

MP_INLINE vec v_activate(vec x, mp_activation activation) {
  switch (activation) {
  case MP_ACTIVATION_NONE: return x;
  case MP_ACTIVATION_GELU: return v_gelu(x);
  case MP_ACTIVATION_GELU_TANH: return v_gelu_tanh(x);
  case MP_ACTIVATION_RELU: return v_max(v_zero(), x);
  case MP_ACTIVATION_TANH: return v_tanh(x);
  case MP_ACTIVATION_SIGMOID: return v_sigmoid(x);
  }
  return x;
}

/// The activation after a layer of reduced precision.
MP_INLINE vec v_activate_coarse(vec x, mp_activation activation) {
  return activation == MP_ACTIVATION_GELU ? v_gelu_coarse(x) : v_activate(x, activation);
}

#endif
