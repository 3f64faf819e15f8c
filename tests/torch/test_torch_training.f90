!> Parameters updated from Fortran, in a host that traps. The argument is the folder of the test models, in which it also writes.
program test_torch_training
  use, intrinsic :: ieee_arithmetic, only: ieee_quiet_nan, ieee_value
  use, intrinsic :: ieee_exceptions, only: ieee_divide_by_zero, ieee_get_halting_mode, ieee_invalid, ieee_overflow, &
    ieee_set_halting_mode
  use, intrinsic :: iso_fortran_env, only: int64, real32, real64
  use radml_torch, only: radml_status, torch_array, torch_in, torch_model, torch_none, torch_out, torch_reverse, &
    torch_set_num_threads, torch_trainer
  use torch_checks, only: check, check_failure, finish, model_path
  implicit none

  integer, parameter :: n = 64, steps = 20
  real(real64) :: x(n, 5), profile(n, 3), surface(n)
  integer(int64) :: class(n)
  character(len=:), allocatable :: message
  integer :: stat

  call ieee_set_halting_mode(ieee_invalid, .true.)
  call ieee_set_halting_mode(ieee_divide_by_zero, .true.)
  call ieee_set_halting_mode(ieee_overflow, .true.)
  call torch_set_num_threads(1)
  call same_as_torch_optim('sgd', 'sgd')
  call same_as_torch_optim('adam', 'adam')
  call same_as_torch_optim('plain', 'sgd')
  call targets_and_layouts()
  call saved_model()
  call checkpoint('sgd')
  call checkpoint('adam')
  call buffers()
  call learning_rate()
  call not_finite()
  call threads()
  call lifetime()
  call refused_files()
  call refused_options()
  call refused_arrays()
  call refused_checkpoints()
  call refused_paths()
  call finish()

contains

  subroutine create(trainer, optimizer)
    type(torch_trainer), intent(inout) :: trainer
    character(len=*), intent(in) :: optimizer

    if (optimizer == 'adam') then
      call trainer%create(model_path('trainable.pt'), 'adam', learning_rate=0.02_real64, beta1=0.8_real64, &
        beta2=0.95_real64, weight_decay=0.001_real64)
    else if (optimizer == 'sgd') then
      call trainer%create(model_path('trainable.pt'), 'sgd', learning_rate=0.1_real64, momentum=0.9_real64, &
        weight_decay=0.001_real64)
    else
      call trainer%create(model_path('trainable.pt'), 'sgd')
    end if
  end subroutine create

  subroutine train(trainer, n_steps)
    type(torch_trainer), intent(in) :: trainer
    integer, intent(in) :: n_steps
    real(real64) :: loss
    integer :: i

    do i = 1, n_steps
      call trainer%step([torch_in(x)], [torch_in(profile), torch_in(surface), torch_none()], loss)
    end do
  end subroutine train

  subroutine predict(trainer, predicted)
    type(torch_trainer), intent(in) :: trainer
    real(real64), intent(inout) :: predicted(:, :)

    call trainer%forward([torch_in(x)], [torch_out(predicted(:, 1:3)), torch_out(predicted(:, 4)), torch_out(class)])
  end subroutine predict

  subroutine same_as_torch_optim(name, optimizer)
    character(len=*), intent(in) :: name, optimizer
    type(torch_model) :: values
    type(torch_trainer) :: trainer
    real(real64) :: losses(steps), python_losses(steps), python_profile(n, 3), python_surface(n), predicted(n, 4), loss
    integer :: i

    call values%load(model_path('trained_by_'//name//'.pt'))
    call values%forward([torch_array ::], [torch_out(x), torch_out(profile), torch_out(surface), torch_out(python_losses), &
      torch_out(python_profile), torch_out(python_surface)])
    call create(trainer, name)
    call check(trainer%created(), 'a trainer is created: '//name)
    do i = 1, steps
      losses(i) = -7.0_real64
      call trainer%step([torch_in(x)], [torch_in(profile), torch_in(surface), torch_none()], losses(i))
    end do
    call check(maxval(abs(losses - python_losses)) < 1.0e-11_real64 * maxval(python_losses), &
      '... its losses are those of torch.optim: '//optimizer)
    call check(losses(steps) < merge(0.99_real64, 0.7_real64, name == 'plain') * losses(1), '... and fall')
    call predict(trainer, predicted)
    call check(maxval(abs(predicted(:, 1:3) - python_profile)) < 1.0e-11_real64 .and. &
      maxval(abs(predicted(:, 4) - python_surface)) < 1.0e-11_real64, '... and so are its outputs in the end')
    call trainer%loss([torch_in(x)], [torch_in(profile), torch_in(surface), torch_none()], loss)
    call check(abs(loss - 0.5_real64 * (sum((predicted(:, 1:3) - profile)**2) / size(profile) + &
      sum((predicted(:, 4) - surface)**2) / n)) < 1.0e-13_real64, 'the loss is the mean of the outputs'' mean squared errors')
  end subroutine same_as_torch_optim

  subroutine targets_and_layouts()
    type(torch_trainer) :: trainer, other
    real(real64) :: turned(5, n), wide(2 * n, 3), predicted(n, 4), other_predicted(n, 4), loss, other_loss
    integer :: i

    call create(trainer, 'sgd')
    call predict(trainer, predicted)
    call trainer%loss([torch_in(x)], [torch_none(), torch_in(surface), torch_none()], loss)
    call check(abs(loss - sum((predicted(:, 4) - surface)**2) / n) < 1.0e-13_real64, 'an output without a target does not count')

    call create(other, 'sgd')
    turned = transpose(x)
    wide = -7.0_real64
    wide(2 * n:2:-2, :) = profile
    do i = 1, 3
      call trainer%step([torch_in(x)], [torch_in(profile), torch_in(surface), torch_none()], loss)
      call other%step([torch_reverse(torch_in(turned))], [torch_in(wide(2 * n:2:-2, :)), torch_in(surface), torch_none()], &
        other_loss)
    end do
    call predict(trainer, predicted)
    call predict(other, other_predicted)
    call check(abs(loss - other_loss) < 1.0e-13_real64 .and. maxval(abs(predicted - other_predicted)) < 1.0e-12_real64, &
      'inputs and targets may be sections, reversed and of negative stride')
  end subroutine targets_and_layouts

  subroutine saved_model()
    type(torch_trainer) :: trainer, again
    type(torch_model) :: net
    character(len=:), allocatable :: text
    real(real64) :: predicted(n, 4), loaded(n, 4), loss, other_loss

    call create(trainer, 'adam')
    call train(trainer, 5)
    call predict(trainer, predicted)
    call trainer%save(model_path('saved.pt'))
    call net%load(model_path('saved.pt'))
    call net%forward([torch_in(x)], [torch_out(loaded(:, 1:3)), torch_out(loaded(:, 4)), torch_out(class)])
    call check(all(loaded == predicted), 'a saved model gives the trainer''s own outputs, to the last bit')
    call check(net%output_name(2) == 'surface', '... and has its manifest')
    call check(net%metadata('note') == 'kept', '... with the metadata')
    call check(net%metadata('training_steps') == '5', '... the number of steps')
    call check(net%metadata('torch') /= '1.0.0', '... and the PyTorch of now')
    text = net%metadata('weights_sha256', stat)
    call check(stat == radml_status%missing_key, '... and without the checksum of weights that it has no longer')
    call again%create(model_path('saved.pt'), 'adam')
    call trainer%loss([torch_in(x)], [torch_in(profile), torch_in(surface), torch_none()], loss)
    call again%loss([torch_in(x)], [torch_in(profile), torch_in(surface), torch_none()], other_loss)
    call check(loss == other_loss, 'a saved model can be trained again')
    call train(trainer, 5)
    call trainer%save(model_path('saved.pt'))
    call net%load(model_path('saved.pt'))
    call net%forward([torch_in(x)], [torch_out(loaded(:, 1:3)), torch_out(loaded(:, 4)), torch_out(class)])
    call check(any(loaded /= predicted), 'a file that is there is replaced')
  end subroutine saved_model

  subroutine checkpoint(optimizer)
    character(len=*), intent(in) :: optimizer
    type(torch_trainer) :: trainer, resumed
    real(real64) :: predicted(n, 4), expected(n, 4)

    call create(trainer, optimizer)
    call train(trainer, 7)
    call trainer%set_learning_rate(0.01_real64)
    call trainer%save_checkpoint(model_path('checkpoint_'//optimizer))
    call train(trainer, 8)
    call predict(trainer, expected)

    ! One of the same options, which has gone another way; and one of the defaults, which the checkpoint's replace.
    call create(resumed, optimizer)
    call train(resumed, 3)
    call resumed%load_checkpoint(model_path('checkpoint_'//optimizer))
    call train(resumed, 8)
    call predict(resumed, predicted)
    call check(all(predicted == expected), 'training goes on from a checkpoint to the same bits: '//optimizer)
    call resumed%create(model_path('trainable.pt'), optimizer)
    call resumed%load_checkpoint(model_path('checkpoint_'//optimizer))
    call train(resumed, 8)
    call predict(resumed, predicted)
    call check(all(predicted == expected), '... with the optimizer''s options as they were')
    call trainer%load_checkpoint(model_path('checkpoint_'//optimizer))
    call train(trainer, 8)
    call predict(trainer, predicted)
    call check(all(predicted == expected), '... also in the trainer that wrote it')
  end subroutine checkpoint

  subroutine buffers()
    type(torch_trainer) :: trainer, resumed
    type(torch_model) :: net
    real(real32) :: a(n, 5), b(n, 3), before(n, 3), after(n, 3), loaded(n, 3), bad(n, 5)
    real(real64) :: loss, training_loss

    a = real(x, real32)
    b = real(profile, real32)
    call trainer%create(model_path('normalised.pt'), 'adam')
    call trainer%loss([torch_in(a)], [torch_in(b)], loss)
    call trainer%step([torch_in(a)], [torch_in(b)], training_loss)
    call check(abs(loss - training_loss) > 1.0e-3_real64, 'a step is made in training mode, a loss in evaluation mode')
    call trainer%forward([torch_in(a)], [torch_out(before)])
    call trainer%save_checkpoint(model_path('checkpoint_buffers'))
    call trainer%save(model_path('saved_normalised.pt'))
    call net%load(model_path('saved_normalised.pt'))
    call net%forward([torch_in(a)], [torch_out(loaded)])
    call check(maxval(abs(loaded - before)) < 1.0e-6_real32, 'a model with buffers is saved with them')
    call resumed%create(model_path('normalised.pt'), 'adam')
    call resumed%load_checkpoint(model_path('checkpoint_buffers'))
    call resumed%forward([torch_in(a)], [torch_out(after)])
    call check(all(before == after), 'a checkpoint holds the buffers')

    bad = a
    bad(3, 2) = ieee_value(bad(3, 2), ieee_quiet_nan)
    call trainer%step([torch_in(bad)], [torch_in(b)], loss, stat, message)
    call check_failure(stat, message, radml_status%not_finite, 'normalised.pt: the loss is ', 'a bad sample is refused')
    call trainer%forward([torch_in(a)], [torch_out(after)])
    call check(all(before == after), '... and spoils no running mean')
    call trainer%step([torch_in(a)], [torch_in(b)], loss, stat)
    call check(stat == radml_status%success, '... training goes on after it')
  end subroutine buffers

  subroutine learning_rate()
    type(torch_trainer) :: trainer
    real(real64) :: before(n, 4), after(n, 4)

    call create(trainer, 'plain')
    call predict(trainer, before)
    call trainer%set_learning_rate(0.0_real64)
    call train(trainer, 1)
    call predict(trainer, after)
    call check(all(before == after), 'a learning rate of zero changes nothing')
    call trainer%set_learning_rate(0.1_real64)
    call train(trainer, 1)
    call predict(trainer, after)
    call check(any(before /= after), 'another learning rate counts from the next step on')
    call trainer%set_learning_rate(-0.1_real64, stat, message)
    call check_failure(stat, message, radml_status%wrong_argument, &
      'learning_rate: expected a finite number of 0 or more, got -0.1', 'a negative learning rate')
  end subroutine learning_rate

  subroutine not_finite()
    type(torch_trainer) :: trainer
    real(real64) :: before(n, 4), after(n, 4), bad(n, 5), loss, zero(1), one(1), root(1)
    logical :: halting(3)

    call create(trainer, 'adam')
    call train(trainer, 2)
    call predict(trainer, before)
    bad = x
    bad(7, 3) = ieee_value(1.0_real64, ieee_quiet_nan)
    loss = -7.0_real64
    call trainer%step([torch_in(bad)], [torch_in(profile), torch_in(surface), torch_none()], loss, stat, message)
    call check_failure(stat, message, radml_status%not_finite, 'trainable.pt: the loss is ', 'a loss that is NaN')
    call predict(trainer, after)
    call check(loss == -7.0_real64 .and. all(before == after), '... changes neither the loss nor the model')
    call trainer%step([torch_in(x(1:0, :))], [torch_in(profile(1:0, :)), torch_in(surface(1:0)), torch_none()], loss, stat, &
      message)
    call check_failure(stat, message, radml_status%not_finite, 'the loss is ', 'the mean over no columns')
    call trainer%loss([torch_in(bad)], [torch_in(profile), torch_in(surface), torch_none()], loss, stat)
    call check(stat == radml_status%success .and. loss /= loss, 'a loss without a step may be NaN')

    zero = 0.0_real64
    one = 1.0_real64
    call trainer%create(model_path('square_root.pt'), 'sgd')
    call trainer%step([torch_in(zero)], [torch_in(one)], loss, stat, message)
    call check_failure(stat, message, radml_status%not_finite, &
      'square_root.pt: the gradient by parameter "weight" is not finite, though the loss is; no parameter was changed', &
      'a gradient that is not finite')
    call trainer%forward([torch_in(one)], [torch_out(root)])
    call check(root(1) == 1.0_real64, '... changes no parameter')
    call ieee_get_halting_mode(ieee_invalid, halting(1))
    call ieee_get_halting_mode(ieee_divide_by_zero, halting(2))
    call ieee_get_halting_mode(ieee_overflow, halting(3))
    call check(all(halting), 'the host traps as before')
  end subroutine not_finite

  !> Each with its own trainer, and several with one.
  subroutine threads()
    integer, parameter :: n_threads = 4
    type(torch_trainer) :: trainers(n_threads)
    real(real64) :: expected(n, 4), predicted(n, 4), losses(n_threads)
    integer :: i, j, stats(n_threads)
    logical :: right

    do i = 1, n_threads
      call create(trainers(i), 'adam')
    end do
    stats = -1
    !$omp parallel do num_threads(n_threads) schedule(static, 1) private(j)
    do i = 1, n_threads
      do j = 1, 10
        call trainers(i)%step([torch_in(x)], [torch_in(profile), torch_in(surface), torch_none()], losses(i), stats(i))
      end do
    end do
    right = all(stats == 0)
    call predict(trainers(1), expected)
    do i = 2, n_threads
      call predict(trainers(i), predicted)
      right = right .and. all(predicted == expected)
    end do
    call check(right, 'trainers in threads at once give the same bits')
    call create(trainers(1), 'adam')
    call create(trainers(2), 'adam')
    !$omp parallel do num_threads(n_threads) schedule(static, 1)
    do i = 1, n_threads
      call trainers(1)%step([torch_in(x)], [torch_in(profile), torch_in(surface), torch_none()], losses(i), stats(i))
    end do
    call train(trainers(2), n_threads)
    call predict(trainers(1), predicted)
    call predict(trainers(2), expected)
    call check(all(stats == 0) .and. all(predicted == expected), 'threads that step one trainer wait for each other')
  end subroutine threads

  subroutine lifetime()
    type(torch_trainer) :: trainer, copy
    real(real64) :: loss

    loss = -7.0_real64
    call trainer%step([torch_in(x)], [torch_in(profile), torch_in(surface), torch_none()], loss, stat, message)
    call check_failure(stat, message, radml_status%not_loaded, 'no trainer: call create first', 'a step before create')
    call trainer%free(stat, message)
    call check_failure(stat, message, radml_status%not_loaded, 'no trainer: call create first', 'a free before create')
    call create(trainer, 'sgd')
    copy = trainer
    call trainer%free()
    call check(.not. trainer%created() .and. copy%created(), 'a trainer is freed, its copy is not')
    call trainer%save(model_path('never.pt'), stat, message)
    call check_failure(stat, message, radml_status%not_loaded, 'no trainer: call create first', 'a save after free')
    call copy%step([torch_in(x)], [torch_in(profile), torch_in(surface), torch_none()], loss)
    call check(loss > 0.0_real64, 'the copy trains on')
  end subroutine lifetime

  subroutine refuse_file(name, expected, text, sentence)
    character(len=*), intent(in) :: name, text, sentence
    integer, intent(in) :: expected
    type(torch_trainer) :: trainer

    call trainer%create(model_path(name), 'adam', stat=stat, errmsg=message)
    call check_failure(stat, message, expected, text, sentence)
    call check(.not. trainer%created(), '... and there is no trainer after that')
  end subroutine refuse_file

  subroutine refused_files()
    call refuse_file('nowhere.pt', radml_status%missing_file, 'nowhere.pt: no such file', 'a missing file')
    call refuse_file('garbage.pt', radml_status%invalid_file, 'garbage.pt: not a TorchScript model', 'a file of something else')
    call refuse_file('frozen_network.pt', radml_status%not_differentiable, &
      'frozen_network.pt: the model has no parameters to train; where it was frozen they have become constants', 'a frozen model')
    call refuse_file('rescnn.pt', radml_status%not_differentiable, 'export it with ftorch-export --trainable', &
      'what ftorch-export writes without --trainable')
    call refuse_file('add_index.pt', radml_status%not_differentiable, 'the model has no parameters to train', &
      'a model without parameters')
  end subroutine refused_files

  subroutine refused_options()
    type(torch_trainer) :: trainer

    call trainer%create(model_path('trainable.pt'), 'rmsprop', stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_argument, 'optimizer "rmsprop": expected "sgd" or "adam"', &
      'an unknown optimizer')
    call trainer%create(model_path('trainable.pt'), 'adam', learning_rate=-1.0_real64, stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_argument, &
      'learning_rate: expected a finite number of 0 or more, got -1', 'a negative learning rate')
    call trainer%create(model_path('trainable.pt'), 'adam', momentum=0.9_real64, stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_argument, 'momentum: an option of "sgd"; the optimizer is "adam"', &
      'a momentum of adam')
    call trainer%create(model_path('trainable.pt'), 'sgd', beta1=0.9_real64, stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_argument, 'beta1: an option of "adam"; the optimizer is "sgd"', &
      'a beta of sgd')
    call trainer%create(model_path('trainable.pt'), 'adam', beta2=1.0_real64, stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_argument, 'beta2: expected 0 to below 1, got 1', 'a beta of one')
    call trainer%create(model_path('trainable.pt'), 'sgd', weight_decay=-0.5_real64, stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%wrong_argument, 'weight_decay: expected a finite number', &
      'a negative weight decay')
    call trainer%create(model_path('trainable.pt'), 'sgd', device='gpu', stat=stat, errmsg=message)
    call check_failure(stat, message, radml_status%unknown_device, 'device "gpu"', 'an unknown device')
    call check(.not. trainer%created(), 'none of these made a trainer')
  end subroutine refused_options

  subroutine refused_arrays()
    type(torch_trainer) :: trainer
    real(real64) :: loss, before(n, 4), after(n, 4)
    real(real32) :: single(n, 3)

    loss = -7.0_real64
    single = 0.0_real32
    class = 0
    call create(trainer, 'sgd')
    call predict(trainer, before)
    call trainer%step([torch_in(x), torch_in(x)], [torch_in(profile), torch_in(surface), torch_none()], loss, stat, message)
    call check_failure(stat, message, radml_status%wrong_input_count, 'trainable.pt: expected 1 input (x), got 2', &
      'too many inputs')
    call trainer%step([torch_in(x(:, 1:4))], [torch_in(profile), torch_in(surface), torch_none()], loss, stat, message)
    call check_failure(stat, message, radml_status%wrong_shape, 'input 1 "x": expected (column=64,5) float64, got (64,4)', &
      'an input of another shape')
    call trainer%step([torch_none()], [torch_in(profile), torch_in(surface), torch_none()], loss, stat, message)
    call check_failure(stat, message, radml_status%invalid_array, 'input 1 "x": torch_none() is no array', &
      'torch_none() as an input')
    call trainer%step([torch_in(x)], [torch_in(profile)], loss, stat, message)
    call check_failure(stat, message, radml_status%wrong_output_count, 'expected 3 targets, one for each output, got 1', &
      'too few targets')
    call trainer%step([torch_in(x)], [torch_in(x), torch_none(), torch_none()], loss, stat, message)
    call check_failure(stat, message, radml_status%wrong_shape, &
      'target of output 1 "profile": expected (column=64,3) float64, got (64,5) float64', 'a target of another shape')
    call trainer%loss([torch_in(x)], [torch_in(single), torch_none(), torch_none()], loss, stat, message)
    call check_failure(stat, message, radml_status%wrong_kind, &
      'target of output 1 "profile": expected (column=64,3) float64, got (64,3) float32', 'a target of another kind')
    call trainer%step([torch_in(x)], [torch_none(), torch_none(), torch_in(class)], loss, stat, message)
    call check_failure(stat, message, radml_status%wrong_kind, 'target of output 3 "class": no squared error of int64', &
      'a target of integers')
    call trainer%step([torch_in(x)], [torch_none(), torch_none(), torch_none()], loss, stat, message)
    call check_failure(stat, message, radml_status%wrong_argument, 'expected a target for at least one output', 'no target')
    call trainer%forward([torch_in(x)], [torch_out(after), torch_out(surface), torch_out(class)], stat, message)
    call check_failure(stat, message, radml_status%wrong_shape, 'output 1 "profile": expected (column=64,3) float64', &
      'an output of another shape')
    call predict(trainer, after)
    call check(loss == -7.0_real64 .and. all(before == after), 'none of these changes the loss or the model')

    ! Without a manifest the model's results tell: no target is broadcast.
    call trainer%create(model_path('square_root.pt'), 'sgd')
    call trainer%step([torch_in(surface)], [torch_in(profile(1:1, 1))], loss, stat, message)
    call check_failure(stat, message, radml_status%wrong_shape, &
      'square_root.pt: target of output 1: expected (64) float64, got (1) float64', &
      'without manifest, a target of another shape than the result')
    call trainer%create(model_path('detached_parameter.pt'), 'sgd')
    call trainer%step([torch_in(surface)], [torch_in(surface)], loss, stat, message)
    call check_failure(stat, message, radml_status%not_differentiable, &
      'detached_parameter.pt: the loss depends on no parameter that is trained', 'a loss without a gradient')
    call check(loss == -7.0_real64, 'neither changes the loss')
  end subroutine refused_arrays

  subroutine refused_checkpoints()
    type(torch_trainer) :: trainer
    real(real64) :: before(n, 4), after(n, 4)

    call create(trainer, 'adam')
    call train(trainer, 1)
    call predict(trainer, before)
    call trainer%load_checkpoint(model_path('nowhere'), stat, message)
    call check_failure(stat, message, radml_status%missing_file, 'nowhere: no such file', 'a missing checkpoint')
    call trainer%load_checkpoint(model_path('garbage.pt'), stat, message)
    call check_failure(stat, message, radml_status%invalid_file, 'garbage.pt: not a checkpoint of a trainer', &
      'a checkpoint of something else')
    call trainer%load_checkpoint(model_path('trainable.pt'), stat, message)
    call check_failure(stat, message, radml_status%invalid_file, 'trainable.pt: not a checkpoint of a trainer', &
      'a model in the place of a checkpoint')
    call trainer%load_checkpoint(model_path('checkpoint_sgd'), stat, message)
    call check_failure(stat, message, radml_status%invalid_file, &
      'the checkpoint is of optimizer "sgd", this trainer''s is "adam"', 'a checkpoint of another optimizer')
    call trainer%load_checkpoint(model_path('checkpoint_buffers'), stat, message)
    call check_failure(stat, message, radml_status%invalid_file, 'the checkpoint has 6 parameters, trainable.pt has 4', &
      'a checkpoint of another model')
    call predict(trainer, after)
    call check(all(before == after), 'none of these changes the model')
  end subroutine refused_checkpoints

  subroutine refused_paths()
    type(torch_trainer) :: trainer

    call create(trainer, 'adam')
    call trainer%save(model_path('no_folder/net.pt'), stat, message)
    call check_failure(stat, message, radml_status%missing_file, 'no_folder/net.pt: cannot be written: no folder ', &
      'a folder that is not there')
    call trainer%save(model_path('a_directory.pt'), stat, message)
    call check_failure(stat, message, radml_status%missing_file, 'a_directory.pt: cannot be written', &
      'a folder in the place of a file')
    call trainer%save_checkpoint(model_path('no_folder/checkpoint'), stat, message)
    call check_failure(stat, message, radml_status%missing_file, 'no_folder/checkpoint: cannot be written: no folder ', &
      'a checkpoint''s folder that is not there')
  end subroutine refused_paths

end program test_torch_training
