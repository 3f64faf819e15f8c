!> Runs PyTorch models on Fortran arrays.
!>
!>     use radml_torch
!>     type(torch_model) :: net
!>     call net%load('rescnn.pt')
!>     call net%forward([torch_in(temperature), torch_in(humidity)], [torch_out(flux_up), torch_out(flux_down)])
!>     call net%free()
!>
!> - `torch_in(array)` and `torch_out(array)` make a view of a variable: any rank (0 to 15), any section, nothing copied,
!>   nothing to delete. Kinds: `real32`, `real64`, `int8` to `int64`, complex of `real32` or `real64`, `logical(c_bool)`.
!>   Pass variables, not expressions or named constants, whose memory may be gone when the model runs; and use the view
!>   while the variable is there: best inside the call.
!> - Dimension i of the tensor is dimension i of the array. `torch_reverse` and `torch_permute` give other orders.
!> - Count, kinds and shapes must be the model's own; nothing is broadcast or dropped, or converted unless asked for.
!> - `stat` and `errmsg` work as in `allocate`: 0 is success, failures are the constants in `radml_status`, and without
!>   `stat` a failure stops the program with its message on standard error. `errmsg` is left alone on success.
!> - A `torch_plan` is a model bound to arrays: checked once, run many times. `forward` and plans compute in blocks of columns,
!>   with results that do not depend on how many columns there are, and convert real kinds, where they are asked to.
!> - Any number of threads may call `forward` on one model. A copy of a `torch_model` shares the loaded model.
!>   (Procedures are `recursive` so that a build with -fcheck=recursion does not take two threads for a recursion.)
!>
!> A view is taken by a `bind(C)` function with an assumed-type, assumed-rank dummy, because that is the one way in which
!> compilers hand over the descriptor of any array as it is. Wrapped in a Fortran procedure, gfortran 12 packs a copy.
module radml_torch
  use, intrinsic :: iso_c_binding, only: c_char, c_double, c_int32_t, c_int64_t, c_null_char, c_null_ptr, c_ptr, &
    c_f_pointer
  use, intrinsic :: iso_fortran_env, only: error_unit, real64
  implicit none
  private

  public :: torch_model, torch_plan, torch_trainer, torch_array
  public :: torch_in, torch_out, torch_none, torch_reverse, torch_permute, torch_on_device
  public :: torch_set_num_threads, torch_get_num_threads
  public :: radml_status, radml_version

  integer, parameter :: max_rank = 15

  !> What `stat` can be. The numbers are those of `radml_status` in radml.h.
  type :: status_constants
    integer :: success = 0
    integer :: missing_file = 1         !! no such file, or not a readable one
    integer :: invalid_file = 2         !! no model file, damaged, for another machine, or its manifest does not fit
    integer :: unknown_device = 3       !! not "cpu", "cuda" or "cuda:N"
    integer :: missing_device = 4       !! a device that is not here, or that a package is not for
    integer :: not_loaded = 5           !! no model or plan: never loaded or created, or freed
    integer :: wrong_input_count = 6    !! another number of inputs than the model's
    integer :: wrong_output_count = 7   !! another number of outputs than the model's
    integer :: wrong_rank = 8           !! an array with another number of dimensions
    integer :: wrong_shape = 9          !! an array with another extent
    integer :: wrong_kind = 10          !! an array of another kind
    integer :: invalid_array = 11       !! not allocated, of assumed size, an input passed as an output
    integer :: model_failed = 12        !! the model itself raised an error
    integer :: wrong_output_type = 13   !! the model returned something that is no tensor
    integer :: wrong_index = 14         !! no input or output with that number
    integer :: missing_key = 15         !! no such metadata, or no input or output with that name
    integer :: wrong_argument = 16      !! an argument out of its range
    integer :: out_of_memory = 17       !! the model asked for memory that the machine does not have
    integer :: internal_error = 18
    integer :: not_differentiable = 19  !! a package, an array of integers, an output that depends on no input
    integer :: without_torch = 20       !! a libradml that was built without LibTorch
    integer :: not_finite = 21          !! the loss or a gradient of a training step; nothing was changed
  end type status_constants

  !> `radml_status%missing_file` and so on.
  type(status_constants), parameter :: radml_status = status_constants()

  !> A view of an array: a plain value, made by `torch_in` and `torch_out`. The layout is that of `radml_array` in radml.h.
  type, bind(c) :: torch_array
    private
    type(c_ptr) :: address = c_null_ptr
    integer(c_int32_t) :: kind = 0
    integer(c_int32_t) :: rank = 0
    integer(c_int64_t) :: shape(max_rank) = 0
    integer(c_int64_t) :: strides(max_rank) = 0
    integer(c_int32_t) :: flags = 0
    integer(c_int32_t) :: element_size = 0
  end type torch_array

  !> A model that runs on Fortran arrays.
  type :: torch_model
    private
    integer(c_int64_t) :: handle = 0
  contains
    procedure, public :: load => model_load
    procedure, public :: forward => model_forward
    procedure, public :: vector_jacobian_product => model_vector_jacobian_product
    procedure, public :: jacobian_vector_product => model_jacobian_vector_product
    procedure, public :: free => model_free
    procedure, public :: loaded => model_loaded
    procedure, public :: n_inputs => model_n_inputs
    procedure, public :: n_outputs => model_n_outputs
    procedure, public :: input_name => model_input_name
    procedure, public :: output_name => model_output_name
    procedure, public :: input_declaration => model_input_declaration
    procedure, public :: output_declaration => model_output_declaration
    procedure, public :: input_index => model_input_index
    procedure, public :: output_index => model_output_index
    procedure, public :: metadata => model_metadata
    procedure, private :: share => model_share
    generic, public :: assignment(=) => share
    final :: model_finalize
  end type torch_model

  !> A model bound to arrays: what is checked at `create` need not be checked at each `run`.
  type :: torch_plan
    private
    integer(c_int64_t) :: handle = 0
  contains
    procedure, public :: create => plan_create
    procedure, public :: run => plan_run
    procedure, public :: free => plan_free
    procedure, public :: created => plan_created
    procedure, private :: share => plan_share
    generic, public :: assignment(=) => share
    final :: plan_finalize
  end type torch_plan

  !> A model whose parameters are updated from the host.
  type :: torch_trainer
    private
    integer(c_int64_t) :: handle = 0
  contains
    procedure, public :: create => trainer_create
    procedure, public :: step => trainer_step
    procedure, public :: loss => trainer_loss
    procedure, public :: forward => trainer_forward
    procedure, public :: set_learning_rate => trainer_set_learning_rate
    procedure, public :: save => trainer_save
    procedure, public :: save_checkpoint => trainer_save_checkpoint
    procedure, public :: load_checkpoint => trainer_load_checkpoint
    procedure, public :: free => trainer_free
    procedure, public :: created => trainer_created
    procedure, private :: share => trainer_share
    generic, public :: assignment(=) => share
    final :: trainer_finalize
  end type torch_trainer

  !> Columns of a block where a call says no other number [1] (scalar)
  integer, parameter :: default_columns_per_block = 128

  integer(c_int64_t), parameter :: convert_flag = 1, blocks_flag = 2

  !> RADML_NO_ARRAY and RADML_ON_DEVICE in radml.h.
  integer(c_int32_t), parameter :: no_array_flag = 8, on_device_flag = 16

  !> The layout is that of `radml_options` in radml.h.
  type, bind(c) :: run_options
    integer(c_int64_t) :: flags = 0
    integer(c_int64_t) :: column_dimension = 0
    integer(c_int64_t) :: columns_per_block = 0
    integer(c_int64_t) :: threads = 0
  end type run_options

  integer(c_int64_t), parameter :: learning_rate_flag = 1, momentum_flag = 2, weight_decay_flag = 4, beta1_flag = 8, &
    beta2_flag = 16

  !> The layout is that of `radml_optimizer_options` in radml.h.
  type, bind(c) :: optimizer_options
    integer(c_int64_t) :: flags = 0
    real(c_double) :: learning_rate = 0
    real(c_double) :: momentum = 0
    real(c_double) :: weight_decay = 0
    real(c_double) :: beta1 = 0
    real(c_double) :: beta2 = 0
  end type optimizer_options

  interface

    !> A view of a variable, as an input. `target` tells the compiler that the address outlives the call.
    function torch_in(array) result(view) bind(c, name='radml_input_array')
      import :: torch_array
      implicit none
      type(*), dimension(..), intent(in), target :: array !! a variable or section of any kind [any units] (any shape)
      type(torch_array) :: view
    end function torch_in

    !> A view of a variable, as an output.
    function torch_out(array) result(view) bind(c, name='radml_output_array')
      import :: torch_array
      implicit none
      type(*), dimension(..), intent(inout), target :: array !! a variable or section of any kind [any units] (any shape)
      type(torch_array) :: view
    end function torch_out

    ! The C interface of libradml, as in radml.h. An interface each, though many are alike: gfortran 12 hands handles over wrongly
    ! to procedures that are declared by `procedure(...), bind(c, name=...)` with a common one.

    function c_load(path, device, model, message, message_size) result(status) bind(c, name='radml_load')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      character(kind=c_char), intent(in) :: path(*), device(*)
      integer(c_int64_t), intent(out) :: model
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_load

    function c_retain(model, message, message_size) result(status) bind(c, name='radml_retain')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: model
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_retain

    function c_free(model, message, message_size) result(status) bind(c, name='radml_free')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: model
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_free

    function c_forward(model, inputs, n_inputs, outputs, n_outputs, message, message_size) result(status) &
      bind(c, name='radml_forward')
      import :: c_char, c_int32_t, c_int64_t, torch_array
      implicit none
      integer(c_int64_t), value :: model
      type(torch_array), intent(in) :: inputs(*)
      integer(c_int64_t), value :: n_inputs
      type(torch_array), intent(in) :: outputs(*)
      integer(c_int64_t), value :: n_outputs
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_forward

    function c_forward_with(model, inputs, n_inputs, outputs, n_outputs, options, message, message_size) result(status) &
      bind(c, name='radml_forward_with')
      import :: c_char, c_int32_t, c_int64_t, run_options, torch_array
      implicit none
      integer(c_int64_t), value :: model
      type(torch_array), intent(in) :: inputs(*)
      integer(c_int64_t), value :: n_inputs
      type(torch_array), intent(in) :: outputs(*)
      integer(c_int64_t), value :: n_outputs
      type(run_options), intent(in) :: options
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_forward_with

    function c_vector_jacobian_product(model, inputs, n_inputs, cotangents, n_cotangents, gradients, &
        n_gradients, outputs, n_outputs, message, message_size) result(status) &
      bind(c, name='radml_vector_jacobian_product')
      import :: c_char, c_int32_t, c_int64_t, torch_array
      implicit none
      integer(c_int64_t), value :: model
      type(torch_array), intent(in) :: inputs(*)
      integer(c_int64_t), value :: n_inputs
      type(torch_array), intent(in) :: cotangents(*)
      integer(c_int64_t), value :: n_cotangents
      type(torch_array), intent(in) :: gradients(*)
      integer(c_int64_t), value :: n_gradients
      type(torch_array), intent(in) :: outputs(*)
      integer(c_int64_t), value :: n_outputs
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_vector_jacobian_product

    function c_jacobian_vector_product(model, inputs, n_inputs, tangents, n_tangents, output_tangents, &
        n_output_tangents, outputs, n_outputs, message, message_size) result(status) &
      bind(c, name='radml_jacobian_vector_product')
      import :: c_char, c_int32_t, c_int64_t, torch_array
      implicit none
      integer(c_int64_t), value :: model
      type(torch_array), intent(in) :: inputs(*)
      integer(c_int64_t), value :: n_inputs
      type(torch_array), intent(in) :: tangents(*)
      integer(c_int64_t), value :: n_tangents
      type(torch_array), intent(in) :: output_tangents(*)
      integer(c_int64_t), value :: n_output_tangents
      type(torch_array), intent(in) :: outputs(*)
      integer(c_int64_t), value :: n_outputs
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_jacobian_vector_product

    function c_plan_create(model, inputs, n_inputs, outputs, n_outputs, options, plan, message, message_size) result(status) &
      bind(c, name='radml_plan_create')
      import :: c_char, c_int32_t, c_int64_t, run_options, torch_array
      implicit none
      integer(c_int64_t), value :: model
      type(torch_array), intent(in) :: inputs(*)
      integer(c_int64_t), value :: n_inputs
      type(torch_array), intent(in) :: outputs(*)
      integer(c_int64_t), value :: n_outputs
      type(run_options), intent(in) :: options
      integer(c_int64_t), intent(out) :: plan
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_plan_create

    function c_plan_run(plan, message, message_size) result(status) bind(c, name='radml_plan_run')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: plan
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_plan_run

    function c_plan_retain(plan, message, message_size) result(status) bind(c, name='radml_plan_retain')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: plan
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_plan_retain

    function c_plan_free(plan, message, message_size) result(status) bind(c, name='radml_plan_free')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: plan
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_plan_free

    function c_trainer_create(path, device, optimizer, options, trainer, message, message_size) result(status) &
      bind(c, name='radml_trainer_create')
      import :: c_char, c_int32_t, c_int64_t, optimizer_options
      implicit none
      character(kind=c_char), intent(in) :: path(*), device(*), optimizer(*)
      type(optimizer_options), intent(in) :: options
      integer(c_int64_t), intent(out) :: trainer
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_trainer_create

    function c_trainer_step(trainer, inputs, n_inputs, targets, n_targets, loss, message, message_size) result(status) &
      bind(c, name='radml_trainer_step')
      import :: c_char, c_double, c_int32_t, c_int64_t, torch_array
      implicit none
      integer(c_int64_t), value :: trainer
      type(torch_array), intent(in) :: inputs(*)
      integer(c_int64_t), value :: n_inputs
      type(torch_array), intent(in) :: targets(*)
      integer(c_int64_t), value :: n_targets
      real(c_double), intent(inout) :: loss
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_trainer_step

    function c_trainer_loss(trainer, inputs, n_inputs, targets, n_targets, loss, message, message_size) result(status) &
      bind(c, name='radml_trainer_loss')
      import :: c_char, c_double, c_int32_t, c_int64_t, torch_array
      implicit none
      integer(c_int64_t), value :: trainer
      type(torch_array), intent(in) :: inputs(*)
      integer(c_int64_t), value :: n_inputs
      type(torch_array), intent(in) :: targets(*)
      integer(c_int64_t), value :: n_targets
      real(c_double), intent(inout) :: loss
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_trainer_loss

    function c_trainer_forward(trainer, inputs, n_inputs, outputs, n_outputs, message, message_size) result(status) &
      bind(c, name='radml_trainer_forward')
      import :: c_char, c_int32_t, c_int64_t, torch_array
      implicit none
      integer(c_int64_t), value :: trainer
      type(torch_array), intent(in) :: inputs(*)
      integer(c_int64_t), value :: n_inputs
      type(torch_array), intent(in) :: outputs(*)
      integer(c_int64_t), value :: n_outputs
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_trainer_forward

    function c_trainer_set_learning_rate(trainer, learning_rate, message, message_size) result(status) &
      bind(c, name='radml_trainer_set_learning_rate')
      import :: c_char, c_double, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: trainer
      real(c_double), value :: learning_rate
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_trainer_set_learning_rate

    function c_trainer_save(trainer, path, message, message_size) result(status) bind(c, name='radml_trainer_save')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: trainer
      character(kind=c_char), intent(in) :: path(*)
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_trainer_save

    function c_trainer_save_checkpoint(trainer, path, message, message_size) result(status) &
      bind(c, name='radml_trainer_save_checkpoint')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: trainer
      character(kind=c_char), intent(in) :: path(*)
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_trainer_save_checkpoint

    function c_trainer_load_checkpoint(trainer, path, message, message_size) result(status) &
      bind(c, name='radml_trainer_load_checkpoint')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: trainer
      character(kind=c_char), intent(in) :: path(*)
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_trainer_load_checkpoint

    function c_trainer_retain(trainer, message, message_size) result(status) bind(c, name='radml_trainer_retain')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: trainer
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_trainer_retain

    function c_trainer_free(trainer, message, message_size) result(status) bind(c, name='radml_trainer_free')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: trainer
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_trainer_free

    function c_n_inputs(model, n, message, message_size) result(status) bind(c, name='radml_n_inputs')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: model
      integer(c_int64_t), intent(inout) :: n
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_n_inputs

    function c_n_outputs(model, n, message, message_size) result(status) bind(c, name='radml_n_outputs')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: model
      integer(c_int64_t), intent(inout) :: n
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_n_outputs

    function c_input_name(model, index, text, text_size, length, message, message_size) result(status) &
      bind(c, name='radml_input_name')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: model, index
      character(kind=c_char), intent(inout) :: text(*)
      integer(c_int64_t), value :: text_size
      integer(c_int64_t), intent(inout) :: length
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_input_name

    function c_output_name(model, index, text, text_size, length, message, message_size) result(status) &
      bind(c, name='radml_output_name')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: model, index
      character(kind=c_char), intent(inout) :: text(*)
      integer(c_int64_t), value :: text_size
      integer(c_int64_t), intent(inout) :: length
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_output_name

    function c_input_declaration(model, index, text, text_size, length, message, message_size) result(status) &
      bind(c, name='radml_input_declaration')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: model, index
      character(kind=c_char), intent(inout) :: text(*)
      integer(c_int64_t), value :: text_size
      integer(c_int64_t), intent(inout) :: length
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_input_declaration

    function c_output_declaration(model, index, text, text_size, length, message, message_size) result(status) &
      bind(c, name='radml_output_declaration')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: model, index
      character(kind=c_char), intent(inout) :: text(*)
      integer(c_int64_t), value :: text_size
      integer(c_int64_t), intent(inout) :: length
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_output_declaration

    function c_input_index(model, name, index, message, message_size) result(status) bind(c, name='radml_input_index')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: model
      character(kind=c_char), intent(in) :: name(*)
      integer(c_int64_t), intent(inout) :: index
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_input_index

    function c_output_index(model, name, index, message, message_size) result(status) bind(c, name='radml_output_index')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: model
      character(kind=c_char), intent(in) :: name(*)
      integer(c_int64_t), intent(inout) :: index
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_output_index

    function c_metadata(model, key, text, text_size, length, message, message_size) result(status) &
      bind(c, name='radml_metadata')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: model
      character(kind=c_char), intent(in) :: key(*)
      character(kind=c_char), intent(inout) :: text(*)
      integer(c_int64_t), value :: text_size
      integer(c_int64_t), intent(inout) :: length
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_metadata

    function c_set_num_threads(n, message, message_size) result(status) bind(c, name='radml_set_num_threads')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), value :: n
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_set_num_threads

    function c_get_num_threads(n, message, message_size) result(status) bind(c, name='radml_get_num_threads')
      import :: c_char, c_int32_t, c_int64_t
      implicit none
      integer(c_int64_t), intent(inout) :: n
      character(kind=c_char), intent(inout) :: message(*)
      integer(c_int64_t), value :: message_size
      integer(c_int32_t) :: status
    end function c_get_num_threads

    function c_version() result(text) bind(c, name='radml_version')
      import :: c_ptr
      implicit none
      type(c_ptr) :: text
    end function c_version

    pure function c_strlen(text) result(length) bind(c, name='strlen')
      use, intrinsic :: iso_c_binding, only: c_ptr, c_size_t
      implicit none
      type(c_ptr), value :: text
      integer(c_size_t) :: length
    end function c_strlen

  end interface

  integer(c_int64_t), parameter :: message_size = 4096
  integer(c_int64_t), parameter :: text_size = 1024

contains

  ! ---- views ----

  !> No array: for a place in a list of cotangents or tangents that is zero, or in one of gradients that nobody needs.
  !> Refused where an array is needed.
  pure recursive function torch_none() result(view)
    type(torch_array) :: view

    view%flags = no_array_flag
  end function torch_none

  !> The same view for an array whose address is one in the memory of the model's GPU, as inside
  !> `!$omp target data use_device_addr(array)` or `!$acc host_data use_device(array)`: nothing is copied to or from the host.
  pure recursive function torch_on_device(view) result(placed)
    type(torch_array), intent(in) :: view !! made by torch_in or torch_out [any units] (any shape)
    type(torch_array) :: placed

    placed = view
    placed%flags = ior(placed%flags, on_device_flag)
  end function torch_on_device

  !> The same elements with the dimensions in reverse order: what a model in C order expects, contiguous.
  pure recursive function torch_reverse(view) result(reversed)
    type(torch_array), intent(in) :: view !! made by torch_in or torch_out [any units] (any shape)
    type(torch_array) :: reversed
    integer :: i

    reversed = torch_permute(view, [(i, i = view%rank, 1, -1)])
  end function torch_reverse

  !> The same elements with dimension i of the result being dimension order(i) of the view. An order that is no permutation
  !> gives a view that `forward` refuses.
  pure recursive function torch_permute(view, order) result(permuted)
    type(torch_array), intent(in) :: view !! made by torch_in or torch_out [any units] (any shape)
    integer, intent(in) :: order(:) !! the dimensions of the view in their new order [1] (rank)
    type(torch_array) :: permuted
    integer :: i

    permuted = view
    if (size(order) /= view%rank) then
      permuted%rank = -1
      return
    end if
    do i = 1, size(order)
      if (count(order == i) /= 1) then
        permuted%rank = -1
        return
      end if
      permuted%shape(i) = view%shape(order(i))
      permuted%strides(i) = view%strides(order(i))
    end do
  end function torch_permute

  ! ---- models ----

  !> Loads a model. What the variable held before is freed first.
  recursive subroutine model_load(self, path, device, stat, errmsg)
    class(torch_model), intent(inout) :: self
    character(len=*), intent(in) :: path !! TorchScript (`.pt`) or package (`.pt2`) [text] (scalar)
    character(len=*), intent(in), optional :: device !! 'cpu' (default), 'cuda' or 'cuda:N' [text] (scalar)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(kind=c_char) :: message(message_size)
    character(len=:), allocatable :: device_name
    integer(c_int32_t) :: status

    call model_finalize(self)
    device_name = 'cpu'
    if (present(device)) device_name = trim(device)
    status = c_load(c_text(trim(path)), c_text(device_name), self%handle, message, message_size)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end subroutine model_load

  !> Runs the model: `inputs` in the model's order to `outputs` in the model's order. On failure no output has been touched.
  !>
  !> With `column_dimension` the columns along that dimension are computed in blocks, each as if it were alone with the same
  !> number of others: results do not depend on the number of columns. Then a failure inside the model may leave the blocks
  !> before it written.
  recursive subroutine model_forward(self, inputs, outputs, stat, errmsg, column_dimension, columns_per_block, threads, convert)
    class(torch_model), intent(in) :: self
    type(torch_array), intent(in) :: inputs(:) !! made by torch_in [the model's units] (n_inputs)
    type(torch_array), intent(in) :: outputs(:) !! made by torch_out [the model's units] (n_outputs)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    integer, intent(in), optional :: column_dimension !! dimension of the first output that is the columns [1] (scalar)
    integer, intent(in), optional :: columns_per_block !! columns of each block, 128 where absent [1] (scalar)
    integer, intent(in), optional :: threads !! threads that share the blocks, 1 where absent [1] (scalar)
    logical, intent(in), optional :: convert !! take real32 for float64 and real64 for float32 [1] (scalar)
    character(kind=c_char) :: message(message_size)
    type(run_options) :: options
    integer(c_int32_t) :: status

    if (present(column_dimension) .or. present(columns_per_block) .or. present(threads) .or. present(convert)) then
      options = options_of(column_dimension, columns_per_block, threads, convert)
      status = c_forward_with(self%handle, inputs, size(inputs, kind=c_int64_t), outputs, size(outputs, kind=c_int64_t), &
        options, message, message_size)
    else
      status = c_forward(self%handle, inputs, size(inputs, kind=c_int64_t), outputs, size(outputs, kind=c_int64_t), &
        message, message_size)
    end if
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end subroutine model_forward

  !> The adjoint: each gradient is the sum over all outputs of the cotangent times the derivative of that output by that input.
  !> `torch_none()` stands for a cotangent that is zero and for a gradient that is not wanted. On failure no array has been
  !> touched.
  recursive subroutine model_vector_jacobian_product(self, inputs, cotangents, gradients, stat, errmsg, outputs)
    class(torch_model), intent(in) :: self
    type(torch_array), intent(in) :: inputs(:) !! made by torch_in [the model's units] (n_inputs)
    type(torch_array), intent(in) :: cotangents(:) !! made by torch_in, shaped as the outputs [any units] (n_outputs)
    type(torch_array), intent(in) :: gradients(:) !! made by torch_out, shaped as the inputs [any units] (n_inputs)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    type(torch_array), intent(in), optional :: outputs(:) !! the forward's results, too [the model's units] (n_outputs)
    type(torch_array), allocatable :: wanted(:)
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    allocate (wanted(0))
    if (present(outputs)) wanted = outputs
    status = c_vector_jacobian_product(self%handle, inputs, size(inputs, kind=c_int64_t), cotangents, &
      size(cotangents, kind=c_int64_t), gradients, size(gradients, kind=c_int64_t), wanted, size(wanted, kind=c_int64_t), &
      message, message_size)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end subroutine model_vector_jacobian_product

  !> The tangent linear: each output's tangent is the sum over all inputs of the derivative of that output by that input times
  !> the input's tangent. `torch_none()` stands for a tangent that is zero or not wanted. On failure no array has been touched.
  recursive subroutine model_jacobian_vector_product(self, inputs, tangents, output_tangents, stat, errmsg, outputs)
    class(torch_model), intent(in) :: self
    type(torch_array), intent(in) :: inputs(:) !! made by torch_in [the model's units] (n_inputs)
    type(torch_array), intent(in) :: tangents(:) !! made by torch_in, shaped as the inputs [the inputs' units] (n_inputs)
    type(torch_array), intent(in) :: output_tangents(:) !! made by torch_out, shaped as the outputs [the outputs' units] (n_outputs)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    type(torch_array), intent(in), optional :: outputs(:) !! the forward's results, too [the model's units] (n_outputs)
    type(torch_array), allocatable :: wanted(:)
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    allocate (wanted(0))
    if (present(outputs)) wanted = outputs
    status = c_jacobian_vector_product(self%handle, inputs, size(inputs, kind=c_int64_t), tangents, &
      size(tangents, kind=c_int64_t), output_tangents, size(output_tangents, kind=c_int64_t), wanted, &
      size(wanted, kind=c_int64_t), message, message_size)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end subroutine model_jacobian_vector_product

  !> Frees the model; like `deallocate`, an error where there is none (ask `loaded`). Finalisation does the same, silently.
  recursive subroutine model_free(self, stat, errmsg)
    class(torch_model), intent(inout) :: self
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    status = c_free(self%handle, message, message_size)
    self%handle = 0
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end subroutine model_free

  !> True while this variable holds a model.
  pure recursive function model_loaded(self) result(loaded)
    class(torch_model), intent(in) :: self
    logical :: loaded

    loaded = self%handle /= 0
  end function model_loaded

  !> The number of inputs; -1 on failure.
  recursive function model_n_inputs(self, stat, errmsg) result(n)
    class(torch_model), intent(in) :: self
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    integer :: n
    integer(c_int64_t) :: count
    integer(c_int32_t) :: status
    character(kind=c_char) :: message(message_size)

    count = -1
    status = c_n_inputs(self%handle, count, message, message_size)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
    n = int(count)
  end function model_n_inputs

  !> The number of outputs; -1 on failure, and for a model without manifest, which only tells when it runs.
  recursive function model_n_outputs(self, stat, errmsg) result(n)
    class(torch_model), intent(in) :: self
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    integer :: n
    integer(c_int64_t) :: count
    integer(c_int32_t) :: status
    character(kind=c_char) :: message(message_size)

    count = -1
    status = c_n_outputs(self%handle, count, message, message_size)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
    n = int(count)
  end function model_n_outputs

  !> The name of input `i`; empty on failure.
  recursive function model_input_name(self, i, stat, errmsg) result(text)
    class(torch_model), intent(in) :: self
    integer, intent(in) :: i !! number of the input, from 1 [1] (scalar)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(len=:), allocatable :: text
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    call ask_for_text(c_input_name, self%handle, i, text, status, message)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end function model_input_name

  !> The name of output `i`; empty on failure.
  recursive function model_output_name(self, i, stat, errmsg) result(text)
    class(torch_model), intent(in) :: self
    integer, intent(in) :: i !! number of the output, from 1 [1] (scalar)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(len=:), allocatable :: text
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    call ask_for_text(c_output_name, self%handle, i, text, status, message)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end function model_output_name

  !> What the manifest says of input `i`, as in `q:float32[column,layer]`; empty on failure, and for a model without manifest.
  recursive function model_input_declaration(self, i, stat, errmsg) result(text)
    class(torch_model), intent(in) :: self
    integer, intent(in) :: i !! number of the input, from 1 [1] (scalar)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(len=:), allocatable :: text
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    call ask_for_text(c_input_declaration, self%handle, i, text, status, message)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end function model_input_declaration

  !> What the manifest says of output `i`, as in `flux:float64[column,layer+1]`; empty on failure, and for a model without manifest.
  recursive function model_output_declaration(self, i, stat, errmsg) result(text)
    class(torch_model), intent(in) :: self
    integer, intent(in) :: i !! number of the output, from 1 [1] (scalar)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(len=:), allocatable :: text
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    call ask_for_text(c_output_declaration, self%handle, i, text, status, message)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end function model_output_declaration

  !> The text that a function of the library has for the number `i`; empty on failure.
  recursive subroutine ask_for_text(question, handle, i, answer, status, message)
    procedure(c_input_name) :: question
    integer(c_int64_t), intent(in) :: handle
    integer, intent(in) :: i
    character(len=:), allocatable, intent(out) :: answer
    integer(c_int32_t), intent(out) :: status
    character(kind=c_char), intent(inout) :: message(message_size)
    character(kind=c_char) :: text(text_size)
    integer(c_int64_t) :: length

    text(1) = c_null_char
    status = question(handle, int(i, c_int64_t), text, text_size, length, message, message_size)
    answer = fortran_text(text)
  end subroutine ask_for_text

  !> The place of the input with that name, from 1; 0 on failure.
  recursive function model_input_index(self, name, stat, errmsg) result(place)
    class(torch_model), intent(in) :: self
    character(len=*), intent(in) :: name !! as in the model's manifest [text] (scalar)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    integer :: place
    integer(c_int64_t) :: index
    integer(c_int32_t) :: status
    character(kind=c_char) :: message(message_size)

    index = 0
    status = c_input_index(self%handle, c_text(trim(name)), index, message, message_size)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
    place = int(index)
  end function model_input_index

  !> The place of the output with that name, from 1; 0 on failure, and for a model without manifest. It puts arrays in order by
  !> name: `outputs(net%output_index('heating')) = torch_out(heating)`.
  recursive function model_output_index(self, name, stat, errmsg) result(place)
    class(torch_model), intent(in) :: self
    character(len=*), intent(in) :: name !! as in the model's manifest [text] (scalar)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    integer :: place
    integer(c_int64_t) :: index
    integer(c_int32_t) :: status
    character(kind=c_char) :: message(message_size)

    index = 0
    status = c_output_index(self%handle, c_text(trim(name)), index, message, message_size)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
    place = int(index)
  end function model_output_index

  !> What the exporter noted under `key`; empty on failure.
  recursive function model_metadata(self, key, stat, errmsg) result(value)
    class(torch_model), intent(in) :: self
    character(len=*), intent(in) :: key !! such as 'name' or 'torch' [text] (scalar)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(len=:), allocatable :: value
    character(kind=c_char) :: message(message_size)
    character(kind=c_char), allocatable :: text(:)
    integer(c_int64_t) :: length
    integer(c_int32_t) :: status

    ! Of any length (a training envelope, say): ask for the length, then for the text.
    allocate (text(1), source=c_null_char)
    status = c_metadata(self%handle, c_text(trim(key)), text, 1_c_int64_t, length, message, message_size)
    if (status == 0) then
      deallocate (text)
      allocate (text(length + 1))
      status = c_metadata(self%handle, c_text(trim(key)), text, length + 1, length, message, message_size)
    end if
    value = fortran_text(text)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end function model_metadata

  !> A copy shares the loaded model, which goes when the last variable that holds it has gone.
  impure elemental subroutine model_share(self, other)
    class(torch_model), intent(inout) :: self
    class(torch_model), intent(in) :: other
    character(kind=c_char) :: message(message_size)
    integer(c_int64_t) :: handle

    handle = other%handle
    if (handle /= 0) then
      if (c_retain(handle, message, message_size) /= 0) handle = 0
    end if
    call model_finalize(self)
    self%handle = handle
  end subroutine model_share

  impure elemental subroutine model_finalize(self)
    type(torch_model), intent(inout) :: self
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    if (self%handle == 0) return
    status = c_free(self%handle, message, message_size)
    self%handle = 0
  end subroutine model_finalize

  ! ---- plans ----

  !> Binds a model to arrays, which are checked here and not again. What the variable held before is freed first.
  !>
  !> The arrays must stay where they are for as long as the plan is run: allocatable arrays with the `target` attribute, or
  !> pointers, that are not allocated anew. The plan keeps the model alive. The options are those of `forward`.
  recursive subroutine plan_create(self, net, inputs, outputs, stat, errmsg, column_dimension, columns_per_block, threads, &
      convert)
    class(torch_plan), intent(inout) :: self
    class(torch_model), intent(in) :: net !! loaded [model] (scalar)
    type(torch_array), intent(in) :: inputs(:) !! made by torch_in [the model's units] (n_inputs)
    type(torch_array), intent(in) :: outputs(:) !! made by torch_out [the model's units] (n_outputs)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    integer, intent(in), optional :: column_dimension !! dimension of the first output that is the columns [1] (scalar)
    integer, intent(in), optional :: columns_per_block !! columns of each block, 128 where absent [1] (scalar)
    integer, intent(in), optional :: threads !! threads that share the blocks, 1 where absent [1] (scalar)
    logical, intent(in), optional :: convert !! take real32 for float64 and real64 for float32 [1] (scalar)
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    call plan_finalize(self)
    status = c_plan_create(net%handle, inputs, size(inputs, kind=c_int64_t), outputs, size(outputs, kind=c_int64_t), &
      options_of(column_dimension, columns_per_block, threads, convert), self%handle, message, message_size)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end subroutine plan_create

  !> Runs the model on what the arrays hold now.
  recursive subroutine plan_run(self, stat, errmsg)
    class(torch_plan), intent(in) :: self
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    status = c_plan_run(self%handle, message, message_size)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end subroutine plan_run

  !> Frees the plan; like `deallocate`, an error where there is none (ask `created`). Finalisation does the same, silently.
  recursive subroutine plan_free(self, stat, errmsg)
    class(torch_plan), intent(inout) :: self
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    status = c_plan_free(self%handle, message, message_size)
    self%handle = 0
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end subroutine plan_free

  !> True while this variable holds a plan.
  pure recursive function plan_created(self) result(created)
    class(torch_plan), intent(in) :: self
    logical :: created

    created = self%handle /= 0
  end function plan_created

  !> A copy shares the plan, which goes when the last variable that holds it has gone.
  impure elemental subroutine plan_share(self, other)
    class(torch_plan), intent(inout) :: self
    class(torch_plan), intent(in) :: other
    character(kind=c_char) :: message(message_size)
    integer(c_int64_t) :: handle

    handle = other%handle
    if (handle /= 0) then
      if (c_plan_retain(handle, message, message_size) /= 0) handle = 0
    end if
    call plan_finalize(self)
    self%handle = handle
  end subroutine plan_share

  impure elemental subroutine plan_finalize(self)
    type(torch_plan), intent(inout) :: self
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    if (self%handle == 0) return
    status = c_plan_free(self%handle, message, message_size)
    self%handle = 0
  end subroutine plan_finalize

  !> What the optional arguments of `forward` and `create` say; the library checks it.
  pure recursive function options_of(column_dimension, columns_per_block, threads, convert) result(options)
    integer, intent(in), optional :: column_dimension, columns_per_block, threads
    logical, intent(in), optional :: convert
    type(run_options) :: options

    if (present(convert)) then
      if (convert) options%flags = convert_flag
    end if
    if (present(column_dimension)) then
      options%flags = options%flags + blocks_flag
      options%column_dimension = column_dimension
      options%columns_per_block = default_columns_per_block
      options%threads = 1
    end if
    if (present(columns_per_block)) options%columns_per_block = columns_per_block
    if (present(threads)) options%threads = threads
  end function options_of

  ! ---- training ----

  !> Loads a TorchScript file, which must not be frozen, to train it. What the variable held before is freed first. The options
  !> are PyTorch's, and its defaults where they are absent.
  recursive subroutine trainer_create(self, path, optimizer, learning_rate, momentum, weight_decay, beta1, beta2, device, stat, &
      errmsg)
    class(torch_trainer), intent(inout) :: self
    character(len=*), intent(in) :: path !! TorchScript (`.pt`), not frozen [text] (scalar)
    character(len=*), intent(in) :: optimizer !! 'sgd' or 'adam' [text] (scalar)
    real(real64), intent(in), optional :: learning_rate !! 1.0e-3 where absent [1] (scalar)
    real(real64), intent(in), optional :: momentum !! of sgd, 0 where absent [1] (scalar)
    real(real64), intent(in), optional :: weight_decay !! 0 where absent [1] (scalar)
    real(real64), intent(in), optional :: beta1 !! of adam, 0.9 where absent [1] (scalar)
    real(real64), intent(in), optional :: beta2 !! of adam, 0.999 where absent [1] (scalar)
    character(len=*), intent(in), optional :: device !! 'cpu' (default), 'cuda' or 'cuda:N' [text] (scalar)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(kind=c_char) :: message(message_size)
    character(len=:), allocatable :: device_name
    type(optimizer_options) :: options
    integer(c_int32_t) :: status

    call trainer_finalize(self)
    device_name = 'cpu'
    if (present(device)) device_name = trim(device)
    call set_option(options%flags, options%learning_rate, learning_rate_flag, learning_rate)
    call set_option(options%flags, options%momentum, momentum_flag, momentum)
    call set_option(options%flags, options%weight_decay, weight_decay_flag, weight_decay)
    call set_option(options%flags, options%beta1, beta1_flag, beta1)
    call set_option(options%flags, options%beta2, beta2_flag, beta2)
    status = c_trainer_create(c_text(trim(path)), c_text(device_name), c_text(trim(optimizer)), options, self%handle, message, &
      message_size)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end subroutine trainer_create

  pure recursive subroutine set_option(flags, option, flag, given)
    integer(c_int64_t), intent(inout) :: flags
    real(c_double), intent(inout) :: option
    integer(c_int64_t), intent(in) :: flag
    real(real64), intent(in), optional :: given

    if (.not. present(given)) return
    flags = flags + flag
    option = given
  end subroutine set_option

  !> One step of the optimizer, in training mode: forward, loss, backward, update. The loss, of before the step, is the mean over
  !> the outputs that have a target of each one's mean squared difference from it. On failure, a loss or gradient that is not
  !> finite included, neither `loss` nor the model have changed.
  recursive subroutine trainer_step(self, inputs, targets, loss, stat, errmsg)
    class(torch_trainer), intent(in) :: self
    type(torch_array), intent(in) :: inputs(:) !! made by torch_in [the model's units] (n_inputs)
    type(torch_array), intent(in) :: targets(:) !! made by torch_in, or torch_none() [the model's units] (n_outputs)
    real(real64), intent(inout) :: loss !! mean squared error; left alone on failure [the outputs' units squared] (scalar)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    status = c_trainer_step(self%handle, inputs, size(inputs, kind=c_int64_t), targets, size(targets, kind=c_int64_t), loss, &
      message, message_size)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end subroutine trainer_step

  !> The loss as `step` computes it, in evaluation mode and without a step.
  recursive subroutine trainer_loss(self, inputs, targets, loss, stat, errmsg)
    class(torch_trainer), intent(in) :: self
    type(torch_array), intent(in) :: inputs(:) !! made by torch_in [the model's units] (n_inputs)
    type(torch_array), intent(in) :: targets(:) !! made by torch_in, or torch_none() [the model's units] (n_outputs)
    real(real64), intent(inout) :: loss !! mean squared error; left alone on failure [the outputs' units squared] (scalar)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    status = c_trainer_loss(self%handle, inputs, size(inputs, kind=c_int64_t), targets, size(targets, kind=c_int64_t), loss, &
      message, message_size)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end subroutine trainer_loss

  !> Runs the model in evaluation mode with the parameters as they are, otherwise as `forward` of a model.
  recursive subroutine trainer_forward(self, inputs, outputs, stat, errmsg)
    class(torch_trainer), intent(in) :: self
    type(torch_array), intent(in) :: inputs(:) !! made by torch_in [the model's units] (n_inputs)
    type(torch_array), intent(in) :: outputs(:) !! made by torch_out [the model's units] (n_outputs)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    status = c_trainer_forward(self%handle, inputs, size(inputs, kind=c_int64_t), outputs, size(outputs, kind=c_int64_t), &
      message, message_size)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end subroutine trainer_forward

  !> The learning rate of the steps to come.
  recursive subroutine trainer_set_learning_rate(self, learning_rate, stat, errmsg)
    class(torch_trainer), intent(in) :: self
    real(real64), intent(in) :: learning_rate !! 0 or more [1] (scalar)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    status = c_trainer_set_learning_rate(self%handle, learning_rate, message, message_size)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end subroutine trainer_set_learning_rate

  !> Writes the model with its manifest: a file for `load` of a model, or `create` of a trainer. It is whole or not there.
  recursive subroutine trainer_save(self, path, stat, errmsg)
    class(torch_trainer), intent(in) :: self
    character(len=*), intent(in) :: path !! the file to write [text] (scalar)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    status = c_trainer_save(self%handle, c_text(trim(path)), message, message_size)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end subroutine trainer_save

  !> Writes what it takes to go on training to the same bits: parameters, buffers, the optimizer's state and options.
  recursive subroutine trainer_save_checkpoint(self, path, stat, errmsg)
    class(torch_trainer), intent(in) :: self
    character(len=*), intent(in) :: path !! the file to write [text] (scalar)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    status = c_trainer_save_checkpoint(self%handle, c_text(trim(path)), message, message_size)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end subroutine trainer_save_checkpoint

  !> Reads what `save_checkpoint` wrote, for the same model and optimizer. On failure nothing has changed.
  recursive subroutine trainer_load_checkpoint(self, path, stat, errmsg)
    class(torch_trainer), intent(in) :: self
    character(len=*), intent(in) :: path !! written by save_checkpoint [text] (scalar)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    status = c_trainer_load_checkpoint(self%handle, c_text(trim(path)), message, message_size)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end subroutine trainer_load_checkpoint

  !> Frees the trainer; like `deallocate`, an error where there is none (ask `created`). Finalisation does the same, silently.
  recursive subroutine trainer_free(self, stat, errmsg)
    class(torch_trainer), intent(inout) :: self
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    status = c_trainer_free(self%handle, message, message_size)
    self%handle = 0
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end subroutine trainer_free

  !> True while this variable holds a trainer.
  pure recursive function trainer_created(self) result(created)
    class(torch_trainer), intent(in) :: self
    logical :: created

    created = self%handle /= 0
  end function trainer_created

  !> A copy shares the trainer, which goes when the last variable that holds it has gone.
  impure elemental subroutine trainer_share(self, other)
    class(torch_trainer), intent(inout) :: self
    class(torch_trainer), intent(in) :: other
    character(kind=c_char) :: message(message_size)
    integer(c_int64_t) :: handle

    handle = other%handle
    if (handle /= 0) then
      if (c_trainer_retain(handle, message, message_size) /= 0) handle = 0
    end if
    call trainer_finalize(self)
    self%handle = handle
  end subroutine trainer_share

  impure elemental subroutine trainer_finalize(self)
    type(torch_trainer), intent(inout) :: self
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    if (self%handle == 0) return
    status = c_trainer_free(self%handle, message, message_size)
    self%handle = 0
  end subroutine trainer_finalize

  ! ---- settings ----

  !> The number of threads LibTorch may use inside one forward. The host's own OpenMP regions are not affected.
  recursive subroutine torch_set_num_threads(n, stat, errmsg)
    integer, intent(in) :: n !! threads, 1 or more [1] (scalar)
    integer, intent(out), optional :: stat !! 0, or one of radml_status [1] (scalar)
    character(len=:), allocatable, intent(inout), optional :: errmsg !! what went wrong [text] (scalar)
    character(kind=c_char) :: message(message_size)
    integer(c_int32_t) :: status

    status = c_set_num_threads(int(n, c_int64_t), message, message_size)
    call report(status, message, stat)
    if (status /= 0 .and. present(errmsg)) errmsg = fortran_text(message)
  end subroutine torch_set_num_threads

  !> The number of threads LibTorch may use inside one forward.
  recursive function torch_get_num_threads() result(n)
    integer :: n
    integer(c_int64_t) :: count
    character(kind=c_char) :: message(message_size)

    count = 0
    call report(c_get_num_threads(count, message, message_size), message)
    n = int(count)
  end function torch_get_num_threads

  !> The version of the loaded libradml, such as '0.1.0'.
  recursive function radml_version() result(version)
    character(len=:), allocatable :: version
    type(c_ptr) :: text
    character(kind=c_char), pointer :: characters(:)

    text = c_version()
    call c_f_pointer(text, characters, [c_strlen(text)])
    version = fortran_text(characters)
  end function radml_version

  ! ---- errors and texts ----

  !> Hands a status to the caller, or stops the program with the message where the caller takes no status.
  !> (`errmsg` is set by each procedure itself: gfortran 12 loses the length of an optional one that is passed on.)
  recursive subroutine report(status, message, stat)
    integer(c_int32_t), intent(in) :: status
    character(kind=c_char), intent(in) :: message(:)
    integer, intent(out), optional :: stat

    if (present(stat)) then
      stat = int(status)
    else if (status /= radml_status%success) then
      write (error_unit, '(2a)') 'radml: ', fortran_text(message)
      error stop 1, quiet=.true.
    end if
  end subroutine report

  pure recursive function c_text(text) result(characters)
    character(len=*), intent(in) :: text
    character(kind=c_char) :: characters(len(text) + 1)
    integer :: i

    do i = 1, len(text)
      characters(i) = text(i:i)
    end do
    characters(len(text) + 1) = c_null_char
  end function c_text

  !> The characters before the first zero byte.
  pure recursive function fortran_text(characters) result(text)
    character(kind=c_char), intent(in) :: characters(:)
    character(len=:), allocatable :: text
    integer :: i, length

    length = 0
    do while (length < size(characters))
      if (characters(length + 1) == c_null_char) exit
      length = length + 1
    end do
    allocate (character(len=length) :: text)
    do i = 1, length
      text(i:i) = characters(i)
    end do
  end function fortran_text

end module radml_torch
