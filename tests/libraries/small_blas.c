/* A BLAS of three routines, right and slow, with the integers that BLAS_INTEGER says. */
#include <stdint.h>

typedef BLAS_INTEGER integer;

static int transposed(const char *t) { return *t != 'N' && *t != 'n'; }

#define PRODUCT(name, real)                                                                                                   \
  void name(const char *ta, const char *tb, const integer *m, const integer *n, const integer *k, const real *alpha,          \
            const real *a, const integer *lda, const real *b, const integer *ldb, const real *beta, real *c,                  \
            const integer *ldc);                                                                                              \
  void name(const char *ta, const char *tb, const integer *m, const integer *n, const integer *k, const real *alpha,          \
            const real *a, const integer *lda, const real *b, const integer *ldb, const real *beta, real *c,                  \
            const integer *ldc) {                                                                                             \
    const integer most = 1000; /* far more than the tests have: numbers beyond come from integers of another size */          \
    if (*m > most || *n > most || *k > most || *m < 0 || *n < 0 || *k < 0) return;                                            \
    for (integer j = 0; j < *n; ++j)                                                                                          \
      for (integer i = 0; i < *m; ++i) {                                                                                      \
        real sum = 0;                                                                                                         \
        for (integer l = 0; l < *k; ++l)                                                                                      \
          sum += (transposed(ta) ? a[l + i * *lda] : a[i + l * *lda]) * (transposed(tb) ? b[j + l * *ldb] : b[l + j * *ldb]); \
        c[i + j * *ldc] = *alpha * sum + (*beta == 0 ? 0 : *beta * c[i + j * *ldc]);                                          \
      }                                                                                                                       \
  }

PRODUCT(dgemm_, double)
PRODUCT(sgemm_, float)

double dasum_(const integer *n, const double *x, const integer *step);
double dasum_(const integer *n, const double *x, const integer *step) {
  double sum = 0;
  for (integer i = 0; i < *n; ++i) sum += x[i * *step] < 0 ? -x[i * *step] : x[i * *step];
  return sum;
}
